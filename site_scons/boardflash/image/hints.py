"""What somebody may have meant by an address that is in no flash region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boardflash.image.model import MemoryRange

_DIGITS = 8


@dataclass(frozen=True)
class View:
    """Another address of a region, at which the core reads it, and nobody can program it."""

    name: str
    base: int
    region: MemoryRange

    def holds(self, address: int) -> bool:
        return self.base <= address < self.base + self.region.size


def view_of(address: int, views: Sequence[View]) -> str:
    """A clause on an address that is another view of flash; "" for any other."""
    for view in views:
        if view.holds(address):
            meant = address - view.base + view.region.base
            return f"that is the {view.name} of {view.region.name}, which is written at {meant:#010x}"
    return ""


def near(address: int, regions: Sequence[MemoryRange]) -> str:
    """A question after addresses in a region that differ from this one by a typing error: a digit too few at
    the end, one too many, or one wrong. "" without such."""
    candidates = [address << 4, address >> 4]
    candidates += [
        address & ~(0xF << 4 * place) | digit << 4 * place for place in range(_DIGITS) for digit in range(16)
    ]
    found = dict.fromkeys(c for c in candidates if any(r.base <= c < r.end for r in regions))
    return f"did you mean {' or '.join(f'{meant:#010x}' for meant in found)}?" if found else ""
