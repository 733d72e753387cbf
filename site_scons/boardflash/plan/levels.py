"""The erase hierarchy of a region, seen from the costs of its leaves: columns, places, levels.

Whole columns are reckoned at a time: at 32,768 leaves a loop in Python would be most of the planner's time.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import chain, compress, repeat, zip_longest
from operator import add, mul, sub
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


class Block(NamedTuple):
    """A planned erase of the leaves `first` to `last` (not included)."""

    first: int
    last: int
    erase_us: int


class Columns:
    """The leaves by column."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        address, size, erase, need, program, link, forbidden, erased_program, erased_link = zip(
            *leaves, strict=True
        )
        self.count = len(leaves)
        self.address: tuple[int, ...] = address
        self.size: tuple[int, ...] = size
        self.erase_us: tuple[int, ...] = erase
        needs = bytes(need)
        self.must = needs.translate(_MUST)
        self.written = needs.translate(_WRITTEN)
        self.forbidden = bytes(forbidden)
        self.must_erase_us = list(map(mul, erase, self.must))
        # The best for the leaf by itself; nothing yet where `contested` lists it.
        self.chip = list(map(add, self.must_erase_us, map(mul, program, self.written)))
        self.link = list(map(mul, link, self.written))
        # Once a larger erase has taken the leaf.
        self.again_chip, self.again_link = _or_else(erased_program, program), _or_else(erased_link, link)
        clears = self.again_chip is not program or self.again_link is not link
        if Need.ERASE_ONLY in needs:
            comes_back = needs.translate(_COMES_BACK)
            self.again_chip = list(map(mul, self.again_chip, comes_back))
            self.again_link = list(map(mul, self.again_link, comes_back))
        self.alone = bytearray(self.must)  # erased by itself, if no larger erase takes it
        # Leaves where one of the two times speaks for clearing bits and the other for an erase.
        self.contested: list[int] = []
        self.cleared: tuple[list[int], list[int]] = ([], [])  # their chip and link times without an erase
        if clears:
            self._weigh_clearing(needs)

    def _weigh_clearing(self, needs: bytes) -> None:
        """WRITE leaves cost something else once erased: where that is less, the erase is better."""
        mask = needs.translate(_CLEARS)
        if any(self.forbidden):
            mask = bytes(m and not f for m, f in zip(mask, self.forbidden, strict=True))
        erased_chip = map(add, compress(self.erase_us, mask), compress(self.again_chip, mask))
        more_chip = map(sub, erased_chip, compress(self.chip, mask))
        more_link = map(sub, compress(self.again_link, mask), compress(self.link, mask))
        for i, c, k in zip(compress(range(self.count), mask), more_chip, more_link, strict=True):
            if c >= 0 <= k:
                continue
            if c <= 0 and k <= 0:
                self.alone[i] = 1
                self.chip[i] += c
                self.link[i] += k
            else:
                self.contested.append(i)
        for times, cleared in zip((self.chip, self.link), self.cleared, strict=True):
            cleared += [times[i] for i in self.contested]
            for i in self.contested:
                times[i] = 0


# Indexed by Need: is erased in any case; is programmed in any case; is programmed after a larger erase;
# may be programmed without one.
_MUST = bytes([0, 0, 1, 1]).ljust(256, b"\0")
_WRITTEN = bytes([0, 1, 1, 0]).ljust(256, b"\0")
_COMES_BACK = bytes([1, 1, 1, 0]).ljust(256, b"\0")
_CLEARS = bytes([0, 1, 0, 0]).ljust(256, b"\0")


def _or_else(values: Sequence[int | None], others: Sequence[int]) -> Sequence[int]:
    if values.count(None) == len(values):
        return others
    return [o if v is None else v for v, o in zip(values, others, strict=True)]


class Costs(NamedTuple):
    """Three columns."""

    chip: Sequence[int]
    link: Sequence[int]
    erases: Sequence[int]


class Level(NamedTuple):
    """Places of one size. Each is treated part by part, or by one erase of all of it.

    The lowest level holds the contested leaves only; the others hold every block of an erase command.
    """

    width: int  # leaves in a place
    first: Sequence[int]  # the first leaf of each place
    erase_us: Sequence[int]
    parts: list[int] | None  # how many places of the level below each one has; None = it has none
    apart: Costs | None  # what its leaves without a question cost by themselves; None = all 0
    once: Costs  # what one erase costs and all that is programmed then; NEVER where it is not allowed

    def block(self, place: int) -> Block:
        return Block(self.first[place], self.first[place] + self.width, self.erase_us[place])

    def most(self) -> int:
        """No choice of ways makes a larger sum of chip or link times."""
        apart = 0 if self.apart is None else sum(self.apart.chip) + sum(self.apart.link)
        return apart + sum(us for column in self.once[:2] for us in column if us != NEVER)

    def only(self, mask: Sequence[int]) -> Level:
        """The places that the mask has a 1 for; where they lie is left out."""
        return Level(
            self.width,
            (),
            (),
            self.parts and list(compress(self.parts, mask)),
            self.apart and Costs(*(list(compress(column, mask)) for column in self.apart)),
            Costs(*(list(compress(column, mask)) for column in self.once)),
        )


NEVER = 1 << 62


class Hierarchy(NamedTuple):
    """All levels, the smallest places first. The places of the last one, the roots, are independent."""

    levels: list[Level]
    chip: int  # what no question is about and belongs to no place
    link: int
    bits: int  # so many hold any sum of times

    def only(self, roots: Sequence[int], chip: int, link: int) -> Hierarchy:
        """The roots that the mask has a 1 for; what the others cost is known."""
        levels: list[Level] = []
        mask: Sequence[int] = roots
        for level in reversed(self.levels):
            levels.append(level.only(mask))
            if level.parts is not None:
                mask = list(chain.from_iterable(map(repeat, mask, level.parts)))
        return Hierarchy(levels[::-1], chip, link, self.bits)


def hierarchy_of(columns: Columns, options: Sequence[EraseOption]) -> Hierarchy:
    """The erase commands that are larger than a leaf and made of whole blocks of the one below."""
    levels: list[Level] = []
    if columns.contested:
        levels.append(_contested(columns))
    leaf_size, width = columns.size[0], 1
    again: Sequence[Sequence[int]] = (columns.again_chip, columns.again_link, columns.forbidden)
    apart: Costs | None = Costs(columns.chip, columns.link, columns.alone)
    for option in sorted(options):
        if option.size <= width * leaf_size or option.size % (width * leaf_size):
            continue
        if columns.size.count(leaf_size) < columns.count:
            raise ValueError("larger erase commands need leaves of one size")
        ratio, width = option.size // (width * leaf_size), option.size // leaf_size
        again = [_sums(column, ratio) if any(column) else [0] * -(-len(column) // ratio) for column in again]
        count = len(again[0])
        if apart is not None:
            apart = Costs(*(_sums(column, ratio) for column in apart))
            parts = _counts(columns.contested, width, count) if columns.contested else None
        else:
            parts = _sums([1] * len(levels[-1].first), ratio)
        levels.append(
            Level(
                width,
                range(0, columns.count, width),
                [option.erase_us] * count,
                parts,
                apart,
                _at_once(option.erase_us, columns.count % width > 0, *again),
            )
        )
        apart = None
    # Without larger commands, leaves without a question are in no place.
    chip, link = (0, 0) if apart is None else (sum(columns.chip), sum(columns.link))
    most = columns.count + chip + link + sum(level.most() for level in levels)
    return Hierarchy(levels, chip, link, most.bit_length())


def _contested(columns: Columns) -> Level:
    at = columns.contested
    erase_us = [columns.erase_us[i] for i in at]
    chip = [us + columns.again_chip[i] for us, i in zip(erase_us, at, strict=True)]
    once = Costs(chip, [columns.again_link[i] for i in at], [1] * len(at))
    return Level(1, at, erase_us, None, Costs(*columns.cleared, [0] * len(at)), once)


def _at_once(
    erase_us: int, ends_inside: bool, chip: Sequence[int], link: Sequence[int], forbidden: Sequence[int]
) -> Costs:
    chip, link = [erase_us + again for again in chip], list(link)
    barred = [k for k, leaves in enumerate(forbidden) if leaves]
    if ends_inside:  # the region, inside the last block
        barred.append(len(chip) - 1)
    for k in barred:
        chip[k] = link[k] = NEVER
    return Costs(chip, link, [1] * len(chip))


def _counts(leaves: Sequence[int], width: int, blocks: int) -> list[int]:
    """How many of the leaves lie in each block."""
    counts = [0] * blocks
    for i in leaves:
        counts[i // width] += 1
    return counts


def _sums(column: Sequence[int], width: int) -> list[int]:
    """The sums of so many values each; the last one may have fewer."""
    return list(map(sum, zip_longest(*[iter(column)] * width, fillvalue=0)))
