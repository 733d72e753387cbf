"""The erase planner: which erase commands make the whole job shortest.

It minimises `max(chip time, link time)`, where chip time is the sum of typical erase times and of the
programming that follows, and link time is what must cross the debug link. A larger erase is faster a
byte, but what was right inside it must be sent and programmed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Need(IntEnum):
    """What an erase unit needs, seen for itself alone."""

    KEEP = (
        0  # right already (or of no interest: all costs 0); programmed again only if a larger erase takes it
    )
    WRITE = 1  # blank on the device, or bits only clear: programmed without an erase
    REWRITE = 2  # erased, then programmed
    ERASE_ONLY = 3  # erased and left blank


class Leaf(NamedTuple):
    """One smallest erase unit of a region.

    `program_us` and `link_us` are what programming it costs: always for WRITE and REWRITE, for KEEP only
    when an erase takes it (then they count all that must come back, neighbours included).
    `erased_...` is for a WRITE that costs more once erased (bits that only cleared); None = the same.
    """

    address: int
    size: int
    erase_us: int  # by the smallest erase command
    need: Need
    program_us: int = 0
    link_us: int = 0
    forbidden: bool = False  # `protect`: no erase may touch it
    erased_program_us: int | None = None
    erased_link_us: int | None = None


class EraseOption(NamedTuple):
    """An erase command larger than a leaf; it works at multiples of its size from the region's base."""

    size: int
    erase_us: int


@dataclass(frozen=True)
class EraseReason:
    """Why this erase was planned; `str()` is for the reader."""

    needing: int  # leaves inside that need an erase
    taken_along: int  # leaves inside that are programmed again though they were right
    erase_us: int
    apart_us: int  # chip time of the leaf erases that it replaces


@dataclass(frozen=True)
class PlannedErase:
    address: int
    size: int  # the size of the erase command; the region's size for a chip erase
    whole_chip: bool
    reason: EraseReason

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class ErasePlan:
    erases: tuple[PlannedErase, ...]  # by address
    programs: tuple[int, ...]  # addresses of the leaves to program (afterwards), by address
    chip_us: int
    link_us: int
    bound_us: int  # no plan can take less; equal to `time_us` where this plan is proven minimal

    @property
    def time_us(self) -> int:
        return max(self.chip_us, self.link_us)

    @property
    def exact(self) -> bool:
        return self.time_us == self.bound_us


def plan_erases(
    leaves: Sequence[Leaf], options: Sequence[EraseOption] = (), chip_erase_us: int | None = None
) -> ErasePlan:
    """The plan of least `max(chip time, link time)` for one region.

    `leaves` lie one after the other from the region's base. Refuses (BoardflashError) where a forbidden
    leaf would have to be erased.
    """
    raise NotImplementedError
