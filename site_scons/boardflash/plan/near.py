"""The places that are worth a question near the balance, and the ways to treat each of them.

At the weights of the balance every way to treat a place has a *loss*: how far its weighted time is above the
best. The losses of a plan add up, so whoever looks for plans of at most a given loss may leave out every way
that loses more by itself; few places are left, and few ways in each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter, sub
from typing import NamedTuple

from boardflash.plan.balance import Total, Weighed
from boardflash.plan.levels import Level

Node = tuple[int, int]  # level, place
Recipe = tuple[tuple[int, int, int], ...]  # level, place, whether one erase takes all of it


class Way(NamedTuple):
    """A way to treat a place, by what it costs more than the best one."""

    chip: int
    link: int
    erases: int
    recipe: Recipe  # where it differs from the best
    loss: int


Front = list[Way]  # chip ascending, link descending; the best way, all 0, among them


# So many ways of one place are kept.
_MAX_WAYS = 200
# One place of 16 is sampled; where the eighth closest of these lies, some 128 of all are closer.
_SAMPLE, _SAMPLED = 16, 8


class Nearby:
    """The fronts of all independent places, as far as they lose less than a limit."""

    def __init__(self, levels: Sequence[Level], weighed: Weighed) -> None:
        self._weighed = weighed
        self._levels = levels
        self._shift = 3 * weighed.bits
        # By how much one erase is worse than the parts, as a key.
        self._worse = [list(map(sub, *ways)) for ways in zip(weighed.once, weighed.apart, strict=True)]
        self._inside: dict[Node, list[Node]] = {}
        # The closest places, up to a limit: how close (as a key), level, place. Ascending.
        self._known: list[tuple[int, int, int]] = []
        chip, link, _ = weighed.total
        self._furthest = weighed.weigh(max(chip, link) - chip, max(chip, link) - link) << self._shift
        sample = sorted(abs(by) for worse in self._worse for by in worse[::_SAMPLE])
        self._known_to = 0
        if sample:
            self._know(min(sample[min(_SAMPLED, len(sample) - 1)], self._furthest))
        self._loss = self._limit = 0  # as time, and as a key
        self._asked = 0  # so many questions are within the limit
        self.complete = True  # nothing was left out of the last fronts that is within the limit

    def _know(self, limit: int) -> None:
        """No place further away than the gap of the plan to begin with can matter."""
        self._known_to = limit
        self._known = sorted(
            (abs(by), level, place)
            for level, worse in enumerate(self._worse)
            for place, by in enumerate(worse)
            if -limit <= by <= limit
        )

    def loss_of(self, questions: int) -> int:
        """Just above what is lost by answering one of the so many closest questions the other way."""
        while len(self._known) < questions and self._known_to < self._furthest:
            self._know(min(4 * self._known_to + 1, self._furthest))
        if len(self._known) < questions:
            return self._furthest >> self._shift
        return (self._known[questions - 1][0] >> self._shift) + 1

    def ask(self, loss: int) -> int:
        """Sets the limit; how many questions are within."""
        self._loss, self._limit = loss, loss << self._shift
        if self._limit > self._known_to:
            self._know(self._limit)
        self._asked = bisect_left(self._known, (self._limit,))
        return self._asked

    def fronts(self, most: int) -> list[Front]:
        """Of the places in question, by level and address; of the closest ones, if there are more."""
        self.complete = self._asked <= most
        self._inside = {}
        roots: set[Node] = set()
        for _, level, place in self._known[: min(self._asked, most)]:
            self._file((level, place), roots)
        return [front for root in sorted(roots) if len(front := self._front(root)) > 1]

    def ties(self) -> Iterator[Way]:
        """Ways that lose nothing, each of another place."""
        self.ask(1)
        for _, level, place in sorted(self._known[: self._asked], key=itemgetter(1, 2)):
            if all(self._worse[n][above] >= self._limit for n, above in self._above((level, place))):
                yield from (way for way in self._front((level, place)) if way.recipe)

    def _file(self, node: Node, roots: set[Node]) -> None:
        """Finds the largest place around this one that is itself in question."""
        top, path = node, [node]
        for above in self._above(node):
            by = self._worse[above[0]][above[1]]
            if by <= -self._limit:
                return  # erased with all around it, whatever is done here
            path.append(above)
            if by < self._limit:
                top = above
        for inner, outer in pairwise(path):
            if inner == top:
                break
            known = self._inside.setdefault(outer, [])
            if inner in known:
                break
            known.append(inner)
        roots.add(top)

    def _above(self, node: Node) -> Iterator[Node]:
        level, place = node
        first = self._levels[level].first[place]
        for above in range(level + 1, len(self._levels)):
            yield above, first // self._levels[above].width

    def _front(self, node: Node) -> Front:
        weighed, loss, (level, place) = self._weighed, self._loss, node
        apart_key, once_key = weighed.apart[level][place], weighed.once[level][place]
        best = weighed.times(min(apart_key, once_key))
        worse = (once_key >> self._shift) - (apart_key >> self._shift)
        taken = once_key < apart_key
        front: Front = []
        if worse < loss:
            recipe: Recipe = () if taken else ((level, place, 1),)
            front.append(_way(weighed.times(once_key), best, recipe, max(worse, 0)))
        if -worse < loss:
            recipe = ((level, place, 0),) if taken else ()
            apart = [_way(weighed.times(apart_key), best, recipe, max(-worse, 0))]
            for part in self._inside.get(node, ()):
                apart = self._both(apart, self._front(part))
            front += apart
        return pruned(front)

    def _both(self, a: Front, b: Front) -> Front:
        return self._thinned(pruned([_together(p, q) for p in a for q in b if p.loss + q.loss < self._loss]))

    def _thinned(self, front: Front) -> Front:
        """As many as can be looked at, from all over the front and the best one in any case."""
        if len(front) <= _MAX_WAYS:
            return front
        self.complete = False
        step = -(-len(front) // _MAX_WAYS)
        return [way for i, way in enumerate(front) if i % step == 0 or not way.loss]


def _together(a: Way, b: Way) -> Way:
    return Way(a.chip + b.chip, a.link + b.link, a.erases + b.erases, a.recipe + b.recipe, a.loss + b.loss)


def _way(total: Total, best: Total, recipe: Recipe, loss: int) -> Way:
    return Way(total.chip - best.chip, total.link - best.link, total.erases - best.erases, recipe, loss)


def pruned(ways: Front) -> Front:
    """What is left when everything that another way beats in both times is gone."""
    ways.sort()  # of equal ways the best one is first: its recipe is empty
    front: Front = []
    for way in ways:
        if not front or way.link < front[-1].link:
            front.append(way)
    return front
