"""What a debugger is told about the board: its memory map and its registers, as the XML that gdb reads.

GDB manual, "Memory Map Format" and "Target Descriptions" (features org.gnu.gdb.arm.m-profile, m-system).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROTOTYPE_MAP = (
    '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN"'
    ' "http://sourceware.org/gdb/gdb-memory-map.dtd">'
)
ADDRESSES_END = 1 << 32


@dataclass(frozen=True)
class FlashArea:
    """A memory that has to be erased before it is written; `units` are (erase size, count), in order."""

    base: int
    units: tuple[tuple[int, int], ...]
    behind_controller: bool = False
    """Readable at its address only after software has set its controller up."""

    @property
    def size(self) -> int:
        return sum(size * count for size, count in self.units)

    @property
    def end(self) -> int:
        return self.base + self.size


@dataclass(frozen=True)
class BoardMap:
    ram: tuple[tuple[int, int], ...]
    """(base, size); the rest of the addresses is registers, or nothing: the bus knows."""
    flash: tuple[FlashArea, ...]

    @property
    def flash_bytes(self) -> int:
        return sum(area.end - area.base for area in self.flash)

    def flash_at(self, address: int, size: int) -> FlashArea | None:
        """The flash that holds the whole range."""
        return next((a for a in self.flash if a.base <= address and address + size <= a.end), None)

    def xml(self) -> str:
        """Flash where there is flash; all else may be tried, and the bus answers with an error."""
        rows, at = [], 0
        for area in sorted(self.flash, key=lambda area: area.base):
            rows.append(_memory("ram", at, area.base - at))
            at = area.base
            for size, count in area.units:
                rows.append(_memory("flash", at, size * count, size))
                at += size * count
        # gdb takes no range that ends at 4 GiB: the last page of the addresses holds nothing anyway.
        rows.append(_memory("ram", at, ADDRESSES_END - 0x1000 - at))
        return f'<?xml version="1.0"?>\n{PROTOTYPE_MAP}\n<memory-map>\n{"".join(rows)}</memory-map>\n'


def _memory(kind: str, start: int, length: int, block: int | None = None) -> str:
    if not length:
        return ""
    head = f'<memory type="{kind}" start="{start:#x}" length="{length:#x}"'
    if block is None:
        return f"{head}/>\n"
    return f'{head}><property name="blocksize">{block:#x}</property></memory>\n'


@dataclass(frozen=True)
class Register:
    name: str
    number: int  # as DCRSR has it (Armv7-M C1.6.3)
    feature: str
    kind: str = "uint32"


PROFILE, SYSTEM = "org.gnu.gdb.arm.m-profile", "org.gnu.gdb.arm.m-system"
REGISTERS: Sequence[Register] = (
    *(Register(f"r{n}", n, PROFILE) for n in range(13)),
    Register("sp", 13, PROFILE, "data_ptr"),
    Register("lr", 14, PROFILE),
    Register("pc", 15, PROFILE, "code_ptr"),
    Register("xpsr", 16, PROFILE),
    Register("msp", 17, SYSTEM, "data_ptr"),
    Register("psp", 18, SYSTEM, "data_ptr"),
)
"""gdb numbers them in this order."""


def target_xml() -> str:
    """The target description."""
    features = []
    for feature in dict.fromkeys(register.feature for register in REGISTERS):
        rows = "".join(
            f'<reg name="{r.name}" bitsize="32" regnum="{n}" type="{r.kind}"/>\n'
            for n, r in enumerate(REGISTERS)
            if r.feature == feature
        )
        features.append(f'<feature name="{feature}">\n{rows}</feature>\n')
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n<target version="1.0">\n'
        f"<architecture>arm</architecture>\n{''.join(features)}</target>\n"
    )
