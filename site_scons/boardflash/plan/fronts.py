"""Choosing one alternative in each of many places, so that the larger of two sums is least.

A front lists the alternatives of one place that no other one beats in both chip time and link time.
Fronts of the parts add up to the front of the whole. `minimise` then finds the choice of least
max(chip, link): a walk along the convex hulls, which solves the linear relaxation and so gives both a plan
and a bound that none can beat; where the two differ, an exact search between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple


class Point(NamedTuple):
    """One way to treat a place."""

    chip: int
    link: int
    erases: int
    recipe: object = None  # what was chosen: None, whatever the caller put there, or a pair of recipes


Front = list[Point]  # chip ascending, link descending


class ThinnedFront(Front):
    """A front of which only the convex hull was kept: good for a plan and a bound, not for a proof."""


class Choice(NamedTuple):
    points: tuple[Point, ...]  # one for each front
    bound: int  # no choice has a lower max(chip, link)


_COSTS = itemgetter(0, 1, 2)  # a recipe has no order
# So many points a front keeps; beyond, only its convex hull is kept, which leaves the bound valid.
_MAX_POINTS = 256
# So many states the exact search looks at, some 5 ms. What needs more keeps its plan and its bound.
_MAX_STATES = 4_000


def prune(points: list[Point]) -> Front:
    """What is left of `points` when everything that another one beats is gone."""
    points.sort(key=_COSTS)
    front: Front = []
    for point in points:
        if not front or point.link < front[-1].link:
            front.append(point)
    if len(front) <= _MAX_POINTS and not isinstance(points, ThinnedFront):
        return front
    return ThinnedFront(front[i] for i in _hull(front))


def both(a: Front, b: Front) -> Front:
    """The front of two places taken together."""
    sums: Front = [_sum(p, q) for p in a for q in b]
    if isinstance(a, ThinnedFront) or isinstance(b, ThinnedFront):
        return prune(ThinnedFront(sums))
    return sums if len(a) == 1 or len(b) == 1 else prune(sums)


def with_point(front: Front, point: Point) -> Front:
    """The front of one place that can be treated in one more way."""
    points = [*front, point]
    return prune(ThinnedFront(points) if isinstance(front, ThinnedFront) else points)


def minimise(fronts: Sequence[Front], chip: int, link: int) -> Choice:
    """One point of each front, so that max(chip + their chip, link + their link) is least."""
    cheapest = [front[0] for front in fronts]
    chip_sum, link_sum = chip + sum(p.chip for p in cheapest), link + sum(p.link for p in cheapest)
    if chip_sum >= link_sum:
        return Choice(tuple(cheapest), chip_sum)  # no choice has less chip time
    lightest = [front[-1] for front in fronts]
    least_link = link + sum(p.link for p in lightest)
    if least_link >= chip + sum(p.chip for p in lightest):
        return Choice(tuple(lightest), least_link)  # no choice has less to send
    chosen, weights = _walk(fronts, chip_sum, link_sum)
    points = tuple(front[i] for front, i in zip(fronts, chosen, strict=True))
    time = _time(points, chip, link)
    bound = _bound(fronts, chip, link, *weights)
    if bound < time:
        better, complete = _search(fronts, chip, link, time, weights)
        if better is not None:
            points, time = better, _time(better, chip, link)
        if complete and not any(isinstance(front, ThinnedFront) for front in fronts):
            bound = time
    return Choice(points, bound)


def _sum(a: Point, b: Point) -> Point:
    if a.recipe is None or b.recipe is None:
        recipe = b.recipe if a.recipe is None else a.recipe
    else:
        recipe = (a.recipe, b.recipe)
    return Point(a.chip + b.chip, a.link + b.link, a.erases + b.erases, recipe)


def _time(points: Sequence[Point], chip: int, link: int) -> int:
    return max(chip + sum(p.chip for p in points), link + sum(p.link for p in points))


def _hull(front: Front) -> list[int]:
    """Indexes of the lower convex hull of a front."""
    hull: list[int] = []
    for i, c in enumerate(front):
        while len(hull) > 1:
            a, b = front[hull[-2]], front[hull[-1]]
            if (b.chip - a.chip) * (a.link - c.link) < (c.chip - a.chip) * (a.link - b.link):
                break
            hull.pop()
        hull.append(i)
    return hull


def _walk(fronts: Sequence[Front], chip: int, link: int) -> tuple[list[int], tuple[int, int]]:
    """From the least chip time on, buy link time where it costs least, until the two sums cross.

    Returns the better choice of the two around the crossing, and the weights of chip and link there:
    in the linear relaxation they make every further step worthless.
    """
    steps: list[tuple[float, int, int, int, int]] = []  # price, front, point, chip added, link saved
    for n, front in enumerate(fronts):
        hull = _hull(front)
        for i, j in pairwise(hull):
            cost, gain = front[j].chip - front[i].chip, front[i].link - front[j].link
            steps.append((cost / gain, n, j, cost, gain))
    steps.sort()  # equal prices: the lower address first
    chosen = [0] * len(fronts)
    for _, n, j, cost, gain in steps:
        before, after = link, max(chip + cost, link - gain)
        if chip + cost >= link - gain:
            if after < before:
                chosen[n] = j
            return chosen, (gain, cost)
        chosen[n] = j
        chip, link = chip + cost, link - gain
    raise AssertionError("the sums cross, or `minimise` had answered")


def _bound(fronts: Sequence[Front], chip: int, link: int, chip_weight: int, link_weight: int) -> int:
    """max(C, L) is at least any weighted mean of the two, and a mean has its least place by place."""
    total = chip_weight * chip + link_weight * link
    total += sum(min(chip_weight * p.chip + link_weight * p.link for p in front) for front in fronts)
    return -(-total // (chip_weight + link_weight))


def _search(
    fronts: Sequence[Front], chip: int, link: int, limit: int, weights: tuple[int, int]
) -> tuple[tuple[Point, ...] | None, bool]:
    """A choice below `limit`, the best one, if there is any; and whether the search came to its end."""
    chip_weight, link_weight = weights
    # The widest fronts first: they decide, and the narrow ones then fill what is left.
    order = sorted(range(len(fronts)), key=lambda n: fronts[n][0].link - fronts[n][-1].link, reverse=True)
    rest = [(0, 0, 0)]
    for n in reversed(order):
        least = min(chip_weight * p.chip + link_weight * p.link for p in fronts[n])
        c, lk, mean = rest[-1]
        rest.append((c + fronts[n][0].chip, lk + fronts[n][-1].link, mean + least))
    rest.reverse()
    states: list[tuple[int, int, int, object]] = [(chip, link, 0, None)]
    looked_at = 0
    for position, n in enumerate(order, start=1):
        looked_at += len(states) * len(fronts[n])
        if looked_at > _MAX_STATES:
            return None, False
        rest_chip, rest_link, rest_mean = rest[position]
        grown = [
            (c + p.chip, lk + p.link, erases + p.erases, (trace, p))
            for c, lk, erases, trace in states
            for p in fronts[n]
            if c + p.chip + rest_chip < limit
            and lk + p.link + rest_link < limit
            and chip_weight * (c + p.chip) + link_weight * (lk + p.link) + rest_mean
            < limit * (chip_weight + link_weight)
        ]
        grown.sort(key=_COSTS)
        states = []
        for state in grown:
            if not states or state[1] < states[-1][1]:
                states.append(state)
    if not states:
        return None, True
    trace = min(states, key=lambda s: (max(s[0], s[1]), s[0] + s[1]))[3]
    picked: dict[int, Point] = {}
    for n in reversed(order):
        assert isinstance(trace, tuple)
        trace, picked[n] = trace
    return tuple(picked[n] for n in range(len(fronts))), True
