"""The erase planner: which erase commands make the whole job shortest.

It minimises `max(chip time, link time)`, where chip time is the sum of typical erase times and of the
programming that follows, and link time is what must cross the debug link. A larger erase is faster a
byte, but what was right inside it must be sent and programmed again.

Dynamic programming over the erase hierarchy: every block keeps the ways to treat it that none other
beats in both times. Blocks that leave no question are settled in whole columns; for the rest `fronts`
finds the least maximum. The result is minimal where one of the two times dominates, and wherever the
search between plan and bound came to its end; `ErasePlan.exact` says so, and `bound_us` how far off it
can be otherwise.
Equal plans: less work in sum, then fewer erases, then the lower address.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import add, and_, ne
from typing import NamedTuple

from boardflash.errors import BoardflashError
from boardflash.plan.fronts import minimise
from boardflash.plan.levels import (
    Block,
    Columns,
    EraseOption,
    Leaf,
    Need,
    blocks_of,
    levels_of,
    open_roots,
    settled,
)

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
    levels = levels_of(columns, options)
    # Mostly one of the two times rules, whatever is done for the other; then there is nothing to weigh.
    roots = settled(columns, levels, by_link=False)
    if roots.chip < roots.link:
        roots = settled(columns, levels, by_link=True)
        if roots.link < roots.chip:
            roots = open_roots(columns, levels)
    choice = minimise(roots.fronts, roots.chip, roots.link)
    chip = roots.chip + sum(point.chip for point in choice.points)
    link = roots.link + sum(point.link for point in choice.points)
    blocks = sorted(blocks_of([*roots.recipes, *(point.recipe for point in choice.points)]))
    bound, whole = choice.bound, False
    if chip_erase_us is not None and any(columns.erasable) and not any(columns.forbidden):
        all_chip, all_link = chip_erase_us + sum(columns.again_chip), sum(columns.again_link)
        bound = min(bound, max(all_chip, all_link))
        if (max(all_chip, all_link), all_chip + all_link) < (max(chip, link), chip + link):
            chip, link, whole = all_chip, all_link, True
            blocks = [Block(0, len(leaves), chip_erase_us)]
    return _assemble(columns, blocks, whole, chip, link, bound)


def _check(columns: Columns) -> None:
    if any(map(ne, map(add, columns.address, columns.size), columns.address[1:])):
        raise ValueError("leaves must lie one after the other")
    if any(map(and_, columns.must, columns.forbidden)):
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
    erases: list[PlannedErase] = []
    programs: list[int] = []
    position = 0
    for block in [*blocks, Block(len(columns.leaves), len(columns.leaves), 0)]:
        _apart(columns, position, block.first, erases, programs)
        if block.first < block.last:
            erases.append(_at_once(columns, block, whole, programs))
        position = block.last
    return ErasePlan(tuple(erases), tuple(programs), chip, link, bound)


def _apart(columns: Columns, first: int, last: int, erases: list[PlannedErase], programs: list[int]) -> None:
    """The leaves between two larger erases, each for itself."""
    part = slice(first, last)
    must = columns.must[part]
    rows = zip(columns.address[part], columns.size[part], columns.must_erase_us[part], strict=True)
    for address, size, erase_us in compress(rows, must):
        erases.append(PlannedErase(address, size, False, EraseReason(1, 0, erase_us, erase_us)))
    programs += compress(columns.address[part], columns.written[part])


def _at_once(columns: Columns, block: Block, whole: bool, programs: list[int]) -> PlannedErase:
    part = slice(block.first, block.last)
    addresses, must = columns.address[part], columns.must[part]
    again = [c or k for c, k in zip(columns.again_chip[part], columns.again_link[part], strict=True)]
    programs += [a for a, w, cost in zip(addresses, columns.written[part], again, strict=True) if w or cost]
    needing = sum(must)
    taken_along = sum(1 for m, cost in zip(must, again, strict=True) if cost and not m)
    size = addresses[-1] + columns.size[block.last - 1] - addresses[0]
    reason = EraseReason(needing, taken_along, block.erase_us, sum(columns.must_erase_us[part]))
    return PlannedErase(addresses[0], size, whole, reason)
