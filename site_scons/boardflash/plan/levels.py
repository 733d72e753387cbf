"""The erase hierarchy of a region, seen from the costs of its leaves: columns, blocks, levels.

Whole levels are reckoned at a time: at 32,768 leaves a loop in Python would be most of the planner's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import accumulate, repeat
from operator import add, itemgetter, mul, sub
from typing import NamedTuple

from boardflash.plan.fronts import Front, Point, both, prune, with_point


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


class Block(NamedTuple):
    """A planned erase of the leaves `first` to `last` (not included), as the recipe of a point."""

    first: int
    last: int
    erase_us: int


class Columns:
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
        # Leaves that an erase may be good for: it is needed, or clearing bits may cost more.
        self.erasable = bytearray(self.must)
        if erased_program.count(None) < len(needs) or erased_link.count(None) < len(needs):
            for i, each in enumerate(needs):
                if each != Need.WRITE or forbidden[i] or erased_program[i] is erased_link[i] is None:
                    continue
                self.erasable[i] = 1
                block = Block(i, i + 1, erase[i])
                erased = Point(erase[i] + self.again_chip[i], self.again_link[i], 1, block)
                front = prune([Point(program[i], link[i], 0), erased])
                if erased in front:
                    self.contested[i] = front


# Indexed by Need: is erased in any case; is programmed in any case; is programmed after a larger erase.
_MUST = bytes([0, 0, 1, 1]).ljust(256, b"\0")
_WRITTEN = bytes([0, 1, 1, 0]).ljust(256, b"\0")
_COMES_BACK = bytes([1, 1, 1, 0]).ljust(256, b"\0")


def _or_else(values: Sequence[int | None], others: Sequence[int]) -> Iterable[int]:
    if values.count(None) == len(values):
        return others
    return [o if v is None else v for v, o in zip(values, others, strict=True)]


class Roots(NamedTuple):
    """The largest blocks: what is settled as sums, what is open as fronts."""

    fronts: list[Front]  # by address
    recipes: list[object]  # of the settled blocks
    chip: int
    link: int


class Level(NamedTuple):
    """An erase command, and what it would cost on each block of its size."""

    width: int  # leaves in a block
    ratio: int  # blocks of the level below
    erase_us: int
    chip: list[int]  # all that one erase of the block costs; _NEVER where it is not allowed
    link: list[int]
    erasable: list[int]  # leaves that an erase may be good for

    def block(self, k: int) -> Block:
        return Block(k * self.width, (k + 1) * self.width, self.erase_us)


_NEVER = 1 << 62


def levels_of(columns: Columns, options: Sequence[EraseOption]) -> list[Level]:
    """The erase commands that are larger than a leaf and made of whole blocks of the one below."""
    levels: list[Level] = []
    leaf_size, width = columns.size[0], 1
    again_chip, again_link, erasable, forbidden = (
        [0, *accumulate(column)]
        for column in (columns.again_chip, columns.again_link, columns.erasable, columns.forbidden)
    )
    for option in sorted(options):
        if option.size <= width * leaf_size or option.size % (width * leaf_size):
            continue
        if min(columns.size) != max(columns.size):
            raise ValueError("larger erase commands need leaves of one size")
        ratio, width = option.size // (width * leaf_size), option.size // leaf_size
        chip = [option.erase_us + again for again in _differences(again_chip, width)]
        for k, count in enumerate(_differences(forbidden, width)):
            if count:
                chip[k] = _NEVER
        if len(columns.leaves) % width:
            chip[-1] = _NEVER  # the region ends inside this block
        link = _differences(again_link, width)
        levels.append(Level(width, ratio, option.erase_us, chip, link, _differences(erasable, width)))
    return levels


def settled(columns: Columns, levels: Sequence[Level], by_link: bool) -> Roots:
    """The plan that is best by one of the two times, whole levels at a time."""
    blocks: list[Block] = []
    chip, link, erases = list(columns.chip), list(columns.link), list(columns.must)
    for i, front in columns.contested.items():
        chip[i], link[i], erases[i], recipe = front[-1] if by_link else front[0]
        if isinstance(recipe, Block):
            blocks.append(recipe)
    for level in levels:
        chip, link, erases = (_blockwise(column, level.ratio) for column in (chip, link, erases))
        if by_link:
            # Not allowed must not look light.
            barred = [_NEVER if c == _NEVER else k for c, k in zip(level.chip, level.link, strict=True)]
            apart, at_once = zip(link, chip, erases, repeat(0)), zip(barred, level.chip, repeat(1), repeat(1))
        else:
            apart = zip(chip, link, erases, repeat(0))
            at_once = zip(level.chip, level.link, repeat(1), repeat(1))
        best = list(map(min, apart, at_once))
        first, second, erases, taken = (list(map(itemgetter(field), best)) for field in range(4))
        chip, link = (second, first) if by_link else (first, second)
        over = {k for k, one in enumerate(taken) if one}
        blocks = [block for block in blocks if block.first // level.width not in over]
        blocks += map(level.block, over)
    return Roots([], list(blocks), sum(chip), sum(link))


def open_roots(columns: Columns, levels: Sequence[Level]) -> Roots:
    """Of every largest block, all ways that may be part of the best plan."""
    chip, link, erases = list(columns.chip), list(columns.link), list(columns.must)
    fronts: dict[int, Front] = {}
    recipes: dict[int, object] = {}
    for i, front in columns.contested.items():
        fronts[i] = front
        chip[i] = link[i] = 0
    for level in levels:
        chip, link, erases = (_blockwise(column, level.ratio) for column in (chip, link, erases))
        below_fronts, below_recipes, fronts, recipes = fronts, recipes, {}, {}
        open_blocks = {i // level.ratio for i in below_fronts}
        for k, erasable in enumerate(level.erasable):
            if not erasable:
                continue
            at_once = (level.chip[k], level.link[k], 1)
            children = range(k * level.ratio, (k + 1) * level.ratio)
            recipe = _joined(below_recipes, children) if below_recipes else None
            apart = Point(chip[k], link[k], erases[k], recipe)
            front = [apart]
            if k in open_blocks:
                for i in children:
                    if i in below_fronts:
                        front = both(front, below_fronts[i])
            if at_once[0] < _NEVER and (len(front) > 1 or at_once < apart or at_once[1] < apart.link):
                front = with_point(front, Point(*at_once, level.block(k)))
            if len(front) == 1:
                chip[k], link[k], erases[k], recipe = front[0]
                if recipe is not None:
                    recipes[k] = recipe
            else:
                chip[k] = link[k] = erases[k] = 0
                fronts[k] = front
    return Roots(
        [fronts[k] for k in sorted(fronts)], [recipes[k] for k in sorted(recipes)], sum(chip), sum(link)
    )


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


def blocks_of(recipes: list[object]) -> Iterator[Block]:
    waiting = list(recipes)
    while waiting:
        recipe = waiting.pop()
        if isinstance(recipe, Block):
            yield recipe
        elif isinstance(recipe, (tuple, list)):
            waiting.extend(recipe)
