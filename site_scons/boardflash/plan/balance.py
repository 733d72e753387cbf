"""The weights of chip time and link time at which the cheapest plan takes as long on both.

max(chip, link) is at least any weighted mean of the two, and the plan of the least mean is found block by
block. `balanced` finds the weights whose least mean is highest: no lower bound of this kind is better.
Where one of the two times dominates, its weight is all, and the plan of the least mean is the answer.
"""

from __future__ import annotations

from itertools import accumulate, compress, repeat
from math import gcd
from operator import add, and_, gt, mul, ne, sub
from typing import NamedTuple

from boardflash.plan.levels import Costs, Hierarchy, Level


class Total(NamedTuple):
    chip: int
    link: int
    erases: int


class Weighed:
    """What is best in every place at given weights.

    A way to treat a place is one large number, its key: from the high bits down the weighted time, the chip
    time, the link time and the erases. So sums and minima of whole columns need no tuples, and equal
    weighted times are told apart by the rest.
    """

    def __init__(self, hierarchy: Hierarchy, chip_weight: int, link_weight: int) -> None:
        self.chip_weight, self.link_weight = chip_weight, link_weight
        self.bits = hierarchy.bits
        bits = hierarchy.bits
        self._chip_key = (chip_weight << 3 * bits) + (1 << 2 * bits)
        self._link_key = (link_weight << 3 * bits) + (1 << bits)
        self.apart: list[list[int]] = []  # by level: the best key without an erase of the whole place
        self.once: list[list[int]] = []
        self.best: list[int] = []  # of the roots
        for level in hierarchy.levels:
            self._add(level)
        outside = hierarchy.chip * self._chip_key + hierarchy.link * self._link_key
        self.key = outside + sum(self.best)
        self.total = self.times(self.key)

    def _add(self, level: Level) -> None:
        if level.parts is None:
            assert level.apart is not None
            apart = self._keys(level.apart)
        else:
            running = [0, *accumulate(self.best)]
            edges = [running[i] for i in accumulate(level.parts, initial=0)]
            apart = list(map(sub, edges[1:], edges))
            if level.apart is not None:
                apart = list(map(add, apart, self._keys(level.apart)))
        once = self._keys(level.once)
        self.apart.append(apart)
        self.once.append(once)
        self.best = list(map(min, apart, once))

    def _keys(self, costs: Costs) -> list[int]:
        chip = map(mul, costs.chip, repeat(self._chip_key))
        link = map(mul, costs.link, repeat(self._link_key))
        return list(map(add, map(add, chip, link), costs.erases))

    def weigh(self, chip: int, link: int) -> int:
        return self.chip_weight * chip + self.link_weight * link

    def times(self, key: int) -> Total:
        mask = (1 << self.bits) - 1
        return Total(key >> 2 * self.bits & mask, key >> self.bits & mask, key & mask)

    def taken(self) -> list[bytearray]:
        """By level: where one erase is better than the parts."""
        return [bytearray(map(gt, *ways)) for ways in zip(self.apart, self.once, strict=True)]


def balanced(hierarchy: Hierarchy) -> Weighed:
    """Weighed so that no other weights give a higher least mean."""
    low = high = None  # the best plans at two weights: one that waits for the link, one for the chip
    for weights in _guesses(hierarchy):
        guess = Weighed(hierarchy, *weights)
        if guess.total.chip < guess.total.link:
            low = guess
        else:
            high = guess
    low = low or Weighed(hierarchy, 1, 0)
    if low.total.chip >= low.total.link:
        return low
    high = high or Weighed(hierarchy, 0, 1)
    if high.total.link >= high.total.chip:
        return high
    # The weights for which both are equal; the best plan at these takes the place of one of them, until
    # there is no better one.
    active = hierarchy
    while True:
        chip_weight, link_weight = low.total.link - high.total.link, high.total.chip - low.total.chip
        shared = gcd(chip_weight, link_weight)
        chip_weight, link_weight = chip_weight // shared, link_weight // shared
        active, low.best, high.best = _undecided(active, low, high)
        middle = Weighed(active, chip_weight, link_weight)
        if middle.weigh(*middle.total[:2]) == middle.weigh(*low.total[:2]):
            return Weighed(hierarchy, chip_weight, link_weight)
        if middle.total.chip < middle.total.link:
            low = middle
        else:
            high = middle


_SAMPLE = 16  # one root of so many
_MARGIN = 4  # the balance of the sample is within a quarter of the whole one's, most of the time


def _guesses(hierarchy: Hierarchy) -> list[tuple[int, int]]:
    """Weights on both sides of the balance, most likely: then few roots are left to ask from the start."""
    roots = len(hierarchy.levels[-1].once.chip) if hierarchy.levels else 0
    if roots < 16 * _SAMPLE:
        return []
    mask = bytes(k % _SAMPLE == 0 for k in range(roots))
    sample = balanced(hierarchy.only(mask, hierarchy.chip // _SAMPLE, hierarchy.link // _SAMPLE))
    if not sample.chip_weight or not sample.link_weight:
        return []
    chip, link = sample.chip_weight * _MARGIN, sample.link_weight * _MARGIN
    return [(chip + sample.chip_weight, link), (chip, link + sample.link_weight)]


def _undecided(active: Hierarchy, low: Weighed, high: Weighed) -> tuple[Hierarchy, list[int], list[int]]:
    """What is best at two weights is best at all weights between: such roots need not be asked again."""
    mask = repeat((1 << 3 * active.bits) - 1)
    low_costs, high_costs = list(map(and_, low.best, mask)), list(map(and_, high.best, mask))
    is_open = bytes(map(ne, low_costs, high_costs))
    settled = sum(costs for costs, differs in zip(low_costs, is_open, strict=True) if not differs)
    chip, link, _ = low.times(settled)
    narrowed = active.only(is_open, active.chip + chip, active.link + link)
    return narrowed, list(compress(low.best, is_open)), list(compress(high.best, is_open))
