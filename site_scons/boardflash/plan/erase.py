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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from operator import add, and_, mul, ne, sub
from typing import NamedTuple

from boardflash.errors import BoardflashError
from boardflash.plan.fronts import Front, Point, both, minimise, prune


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


class _Block(NamedTuple):
    """A planned erase of the leaves `first` to `last` (not included), as the recipe of a point."""

    first: int
    last: int
    erase_us: int


class _Columns:
    """The leaves by column, and the sums that blocks are made of."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self.leaves = leaves
        address, size, erase, need, program, link, forbidden, erased_program, erased_link = zip(
            *leaves, strict=True
        )
        self.address: tuple[int, ...] = address
        self.size: tuple[int, ...] = size
        needs = bytes(need)
        # Masks and whole-column products: at 32,768 leaves a loop in Python would be most of the time.
        self.must = needs.translate(_MUST)
        self.written = needs.translate(_WRITTEN)
        comes_back = needs.translate(_COMES_BACK)
        self.must_erase_us = list(map(mul, erase, self.must))
        # The best for the leaf by itself.
        self.chip = list(map(add, self.must_erase_us, map(mul, program, self.written)))
        self.link = list(map(mul, link, self.written))
        # Once a larger erase has taken the leaf.
        self.again_chip = list(map(mul, _or_else(erased_program, program), comes_back))
        self.again_link = list(map(mul, _or_else(erased_link, link), comes_back))
        self.forbidden: tuple[bool, ...] = forbidden
        self.contested: dict[int, Front] = {}
        for i in self._clearing(needs, erased_program, erased_link):
            kept = Point(program[i], link[i], 0)
            erased = Point(erase[i] + self.again_chip[i], self.again_link[i], 1, _Block(i, i + 1, erase[i]))
            front = prune([kept, erased])
            if len(front) > 1 or front[0] is erased:
                self.contested[i] = front

    def _clearing(
        self, needs: bytes, programs: Sequence[int | None], links: Sequence[int | None]
    ) -> Iterator[int]:
        """Leaves that only clear bits, where an erase might be cheaper than that."""
        if programs.count(None) == links.count(None) == len(needs):
            return
        for i, need in enumerate(needs):
            different = programs[i] is not None or links[i] is not None
            if different and need == Need.WRITE and not self.forbidden[i]:
                yield i


# Indexed by Need: is erased in any case; is programmed in any case; is programmed after a larger erase.
_MUST = bytes([0, 0, 1, 1]).ljust(256, b"\0")
_WRITTEN = bytes([0, 1, 1, 0]).ljust(256, b"\0")
_COMES_BACK = bytes([1, 1, 1, 0]).ljust(256, b"\0")


def _or_else(values: Sequence[int | None], others: Sequence[int]) -> Iterable[int]:
    if values.count(None) == len(values):
        return others
    return [o if v is None else v for v, o in zip(values, others, strict=True)]


def plan_erases(
    leaves: Sequence[Leaf], options: Sequence[EraseOption] = (), chip_erase_us: int | None = None
) -> ErasePlan:
    """The plan of least `max(chip time, link time)` for one region.

    `leaves` lie one after the other from the region's base. Refuses (BoardflashError) where a forbidden
    leaf would have to be erased.
    """
    if not leaves:
        return ErasePlan((), (), 0, 0, 0)
    columns = _Columns(leaves)
    _check(columns)
    roots = _roots(columns, options)
    choice = minimise(roots.fronts, roots.chip, roots.link)
    chip = roots.chip + sum(point.chip for point in choice.points)
    link = roots.link + sum(point.link for point in choice.points)
    blocks = sorted(_blocks_of([*roots.recipes, *(point.recipe for point in choice.points)]))
    bound, whole = choice.bound, False
    if chip_erase_us is not None and any(columns.must) and not any(columns.forbidden):
        all_chip, all_link = chip_erase_us + sum(columns.again_chip), sum(columns.again_link)
        bound = min(bound, max(all_chip, all_link))
        if (max(all_chip, all_link), all_chip + all_link) < (max(chip, link), chip + link):
            chip, link, whole = all_chip, all_link, True
            blocks = [_Block(0, len(leaves), chip_erase_us)]
    return _assemble(columns, blocks, whole, chip, link, bound)


def _check(columns: _Columns) -> None:
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


class _Roots(NamedTuple):
    """The largest blocks: what is settled as sums, what is open as fronts."""

    fronts: list[Front]  # by address
    recipes: list[object]  # of the settled blocks
    chip: int
    link: int


def _roots(columns: _Columns, options: Sequence[EraseOption]) -> _Roots:
    sums = _Sums(columns)
    chip, link = list(columns.chip), list(columns.link)
    erases = list(columns.must)
    fronts: dict[int, Front] = {}
    recipes: dict[int, object] = {}
    for i, front in columns.contested.items():
        fronts[i] = front
        chip[i] = link[i] = 0
    width = 1  # leaves in a block of this level
    for option in sorted(options):
        leaf_size = columns.size[0]
        if option.size <= width * leaf_size or option.size % (width * leaf_size):
            continue  # not larger than what there is, or not made of whole blocks of it
        if min(columns.size) != max(columns.size):
            raise ValueError("larger erase commands need leaves of one size")
        ratio, width = option.size // (width * leaf_size), option.size // leaf_size
        chip, link, erases = (_blockwise(column, ratio) for column in (chip, link, erases))
        again_chip, again_link, musts, forbidden = sums.of_blocks(width)
        below_fronts, below_recipes, fronts, recipes = fronts, recipes, {}, {}
        open_blocks = {i // ratio for i in below_fronts}
        whole_blocks = len(columns.leaves) // width
        for k, must in enumerate(musts):
            if not must and k not in open_blocks:
                continue
            at_once = None
            if k < whole_blocks and not forbidden[k]:
                at_once = (option.erase_us + again_chip[k], again_link[k], 1)
            children = range(k * ratio, (k + 1) * ratio)
            recipe = _joined(below_recipes, children) if below_recipes else None
            if k not in open_blocks:
                apart = (chip[k], link[k], erases[k])
                if at_once is None or (apart <= at_once and apart[1] <= at_once[1]):
                    if recipe is not None:
                        recipes[k] = recipe
                    continue
                block = _Block(k * width, (k + 1) * width, option.erase_us)
                if at_once <= apart and at_once[1] <= apart[1]:
                    chip[k], link[k], erases[k] = at_once
                    recipes[k] = block
                    continue
                # Neither beats the other, so they differ in both times.
                front = [Point(*apart, recipe), Point(*at_once, block)]
                if at_once < apart:
                    front.reverse()
            else:
                front = [Point(chip[k], link[k], erases[k], recipe)]
                for i in children:
                    if i in below_fronts:
                        front = both(front, below_fronts[i])
                if at_once is not None:
                    block = _Block(k * width, (k + 1) * width, option.erase_us)
                    front = prune([*front, Point(*at_once, block)])
            if len(front) == 1:
                chip[k], link[k], erases[k], recipes[k] = front[0]
            else:
                chip[k] = link[k] = erases[k] = 0
                fronts[k] = front
    return _Roots(
        [fronts[k] for k in sorted(fronts)], [recipes[k] for k in sorted(recipes)], sum(chip), sum(link)
    )


class _Sums:
    """Running sums over the leaves, for the sum of any block at once."""

    def __init__(self, columns: _Columns) -> None:
        self.running = [
            [0, *accumulate(column)]
            for column in (columns.again_chip, columns.again_link, columns.must, columns.forbidden)
        ]

    def of_blocks(self, width: int) -> list[list[int]]:
        return [_differences(running, width) for running in self.running]


def _blockwise(column: list[int], ratio: int) -> list[int]:
    return _differences([0, *accumulate(column)], ratio)


def _differences(running: list[int], width: int) -> list[int]:
    edges = running[::width]
    if (len(running) - 1) % width:
        edges.append(running[-1])  # the last block is shorter
    return list(map(sub, edges[1:], edges))


def _joined(recipes: dict[int, object], children: range) -> object:
    if not recipes:
        return None
    found = [recipes[i] for i in children if i in recipes]
    return found[0] if len(found) == 1 else found or None


def _blocks_of(recipes: list[object]) -> Iterator[_Block]:
    waiting = list(recipes)
    while waiting:
        recipe = waiting.pop()
        if isinstance(recipe, _Block):
            yield recipe
        elif isinstance(recipe, (tuple, list)):
            waiting.extend(recipe)


def _assemble(
    columns: _Columns, blocks: list[_Block], whole: bool, chip: int, link: int, bound: int
) -> ErasePlan:
    erases: list[PlannedErase] = []
    programs: list[int] = []
    position = 0
    for block in [*blocks, _Block(len(columns.leaves), len(columns.leaves), 0)]:
        _apart(columns, position, block.first, erases, programs)
        if block.first < block.last:
            erases.append(_at_once(columns, block, whole, programs))
        position = block.last
    return ErasePlan(tuple(erases), tuple(programs), chip, link, bound)


def _apart(columns: _Columns, first: int, last: int, erases: list[PlannedErase], programs: list[int]) -> None:
    """The leaves between two larger erases, each for itself."""
    part = slice(first, last)
    rows = zip(
        columns.address[part],
        columns.size[part],
        columns.must[part],
        columns.written[part],
        columns.must_erase_us[part],
        strict=True,
    )
    for address, size, must, written, erase_us in rows:
        if must:
            erases.append(PlannedErase(address, size, False, EraseReason(1, 0, erase_us, erase_us)))
        if written:
            programs.append(address)


def _at_once(columns: _Columns, block: _Block, whole: bool, programs: list[int]) -> PlannedErase:
    part = slice(block.first, block.last)
    addresses, must = columns.address[part], columns.must[part]
    again = [c or k for c, k in zip(columns.again_chip[part], columns.again_link[part], strict=True)]
    programs += [a for a, w, cost in zip(addresses, columns.written[part], again, strict=True) if w or cost]
    needing = sum(must)
    taken_along = sum(1 for m, cost in zip(must, again, strict=True) if cost and not m)
    size = addresses[-1] + columns.size[block.last - 1] - addresses[0]
    reason = EraseReason(needing, taken_along, block.erase_us, sum(columns.must_erase_us[part]))
    return PlannedErase(addresses[0], size, whole, reason)
