"""The erase planner: which erase commands make the whole job shortest.

It minimises `max(chip time, link time)`, where chip time is the sum of typical erase times and of the
programming that follows, and link time is what must cross the debug link. A larger erase is faster a
byte, but what was right inside it must be sent and programmed again.

`balance` finds the weights of chip time and link time at which no plan can be better than a bound;
`fronts` looks for the best plan above it. Where one of the two times dominates, the plan is minimal. So it is
where they are alike, as long as the last search ends; it has a budget, which too many plans that are nearly
equal use up. `ErasePlan.exact` says whether the plan is proven minimal; if it is not, `bound_us` says how far
off it can be (in the worst of the cases tried, all leaves at the same price, 0.014 %, two leaves' cost).
Equal plans: less work in sum, then fewer erases, then mostly the lower address.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from operator import and_, itemgetter, or_
from typing import NamedTuple

from boardflash.errors import BoardflashError
from boardflash.plan.balance import Weighed, balanced
from boardflash.plan.fronts import minimise
from boardflash.plan.levels import Block, Columns, EraseOption, Leaf, Level, Need, hierarchy_of
from boardflash.plan.near import Recipe

__all__ = ["EraseOption", "ErasePlan", "EraseReason", "Leaf", "Need", "PlannedErase", "plan_erases"]


class EraseReason(NamedTuple):
    """Why this erase was planned; `str()` is for the reader."""

    needing: int  # leaves inside that need an erase
    taken_along: int  # leaves inside that are programmed again though they needed no erase
    erase_us: int
    apart_us: int  # the erase times of the leaves that need one, if each were erased by itself

    def __str__(self) -> str:
        units = f"{self.needing} erase unit{'s' if self.needing != 1 else ''}"
        if not self.needing:
            return f"faster than clearing bits: one erase of {self.erase_us / 1000:g} ms"
        if self.erase_us == self.apart_us and not self.taken_along:
            return f"{units} to erase, {self.erase_us / 1000:g} ms"
        along = f", {self.taken_along} more programmed again" if self.taken_along else ""
        return (
            f"{units} to erase: at once {self.erase_us / 1000:g} ms, apart {self.apart_us / 1000:g} ms{along}"
        )


class PlannedErase(NamedTuple):
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
    if not leaves:
        return ErasePlan((), (), 0, 0, 0)
    # Many small tuples and not one cycle: looking for garbage would take half of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _plan(leaves, options, chip_erase_us)
    finally:
        if collecting:
            gc.enable()


def _plan(leaves: Sequence[Leaf], options: Sequence[EraseOption], chip_erase_us: int | None) -> ErasePlan:
    columns = Columns(leaves)
    _check(columns)
    hierarchy = hierarchy_of(columns, options)
    weighed = balanced(hierarchy)
    choice = minimise(hierarchy.levels, weighed)
    chip, link, bound = choice.chip, choice.link, choice.bound
    blocks = _blocks(columns, hierarchy.levels, weighed, choice.recipe)
    whole = False
    if chip_erase_us is not None and not any(columns.forbidden):
        all_chip, all_link = chip_erase_us + sum(columns.again_chip), sum(columns.again_link)
        bound = min(bound, max(all_chip, all_link))
        if (max(all_chip, all_link), all_chip + all_link) < (max(chip, link), chip + link):
            chip, link, whole = all_chip, all_link, True
            blocks = [Block(0, len(leaves), chip_erase_us)]
    return _assemble(columns, blocks, whole, chip, link, bound)


def _blocks(columns: Columns, levels: Sequence[Level], weighed: Weighed, recipe: Recipe) -> list[Block]:
    """The larger erases; what is chosen inside one is none. Smaller ones go to `columns.alone`."""
    taken = weighed.taken()
    for level, place, once in recipe:
        taken[level][place] = once
    blocks: list[Block] = []
    covered = bytearray(columns.count)
    for places, chosen in zip(reversed(levels), reversed(taken), strict=True):
        if places.width == 1:
            for leaf in compress(places.first, chosen):
                columns.alone[leaf] = 1
            continue
        all_of_it = b"\1" * places.width
        for block in map(places.block, compress(range(len(chosen)), chosen)):
            if not covered[block.first]:
                blocks.append(block)
                covered[block.first : block.last] = all_of_it
    return blocks


def _check(columns: Columns) -> None:
    if tuple(accumulate(columns.size[:-1], initial=columns.address[0])) != columns.address:
        raise ValueError("leaves must lie one after the other")
    if any(columns.forbidden) and any(map(and_, columns.must, columns.forbidden)):
        at = next(
            a for a, m, f in zip(columns.address, columns.must, columns.forbidden, strict=True) if m and f
        )
        raise BoardflashError(
            "must be erased to hold the image, but the board file protects it; "
            "leave it out of the image, or out of `protect`",
            where=f"{at:#010x}",
        )


def _assemble(
    columns: Columns, blocks: list[Block], whole: bool, chip: int, link: int, bound: int
) -> ErasePlan:
    address, size, must = columns.address, columns.size, columns.must
    programmed, alone = bytearray(columns.written), columns.alone[:]
    erases: list[PlannedErase] = []
    if blocks:
        # The image has something for the leaf, so it is programmed after an erase.
        back = bytes(map(bool, map(or_, columns.again_chip, columns.again_link)))
        along = _by_bit(and_, back, must.translate(_NOT))
        programmed_then = _by_bit(or_, back, columns.written)
        for first, last, erase_us in blocks:
            alone[first:last] = bytes(last - first)
            programmed[first:last] = programmed_then[first:last]
            apart_us = sum(columns.must_erase_us[first:last])
            reason = EraseReason(must.count(1, first, last), along.count(1, first, last), erase_us, apart_us)
            end = address[last - 1] + size[last - 1]
            erases.append(PlannedErase(address[first], end - address[first], whole, reason))
    erases += _each_alone(columns, alone)
    erases.sort(key=itemgetter(0))
    return ErasePlan(tuple(erases), tuple(compress(address, programmed)), chip, link, bound)


def _each_alone(columns: Columns, alone: bytearray) -> Iterator[PlannedErase]:
    reasons: dict[tuple[int, int], EraseReason] = {}  # most erases have the same one
    rows = zip(columns.address, columns.size, columns.erase_us, columns.must, strict=True)
    for address, size, us, must in compress(rows, alone):
        reason = reasons.get((us, must))
        if reason is None:
            reason = reasons[us, must] = EraseReason(must, 1 - must, us, us * must)
        yield PlannedErase(address, size, False, reason)


_NOT = bytes([1, 0]).ljust(256, b"\0")


def _by_bit(operation: Callable[[int, int], int], a: bytes, b: bytes) -> bytes:
    """A mask of two masks."""
    return operation(int.from_bytes(a, "little"), int.from_bytes(b, "little")).to_bytes(len(a), "little")
