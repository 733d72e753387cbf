"""Choosing one way in each of many places, so that the larger of two sums is least.

The choice starts from the plan that is cheapest at the weights of the balance (`balance`). How far a plan's
time is above the bound is its gap, and no plan loses more in weighted time than its gap. So: all plans that
lose less than a small limit are looked at; if the best of them has a gap below the limit, none is better;
otherwise the limit grows. It ends with a proof, or where it would take too long, with the best plan so far
and the limit that was reached as the bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from boardflash.plan.balance import Weighed
from boardflash.plan.levels import Level
from boardflash.plan.near import Front, Nearby, Recipe, Way


class Choice(NamedTuple):
    chip: int
    link: int
    recipe: Recipe  # where it differs from what is best at the weights of the balance
    bound: int  # no choice has a lower max(chip, link)


# A plan: some places decided, the others as is best at the weights of the balance.
# Chip time, link time, erases, loss, and the recipes of what was decided, as pairs (all before, the last).
State = tuple[int, int, int, int, object]

# So many states all searches together look at, some 10 ms. What needs more keeps its plan and its bound.
_MAX_STATES = 20_000
_STATES_PER_QUESTION = 20  # finding the ways of a place takes as long
# Of so many questions, the closest ones, the first search asks; each further one asks half as many more.
_FIRST_QUESTIONS = 20


def minimise(levels: Sequence[Level], weighed: Weighed) -> Choice:
    """The plan of least max(chip, link), as far as can be shown."""
    total_weight = weighed.chip_weight + weighed.link_weight
    mean = weighed.weigh(weighed.total.chip, weighed.total.link)
    bound = -(-mean // total_weight)
    best: State = (*weighed.total, 0, None)
    nearby = Nearby(levels, weighed)
    if _time(best) > bound:
        best = _levelled(best, nearby)
    questions, left = _FIRST_QUESTIONS, _MAX_STATES
    while _time(best) > bound and left >= 0:
        # Whoever loses less than this may still be faster than the limit.
        limit = min(max(bound + 1, (mean + nearby.loss_of(questions)) // total_weight), _time(best))
        loss = limit * total_weight - mean
        most = left // (2 * _STATES_PER_QUESTION)
        asked = nearby.ask(loss)
        search = Search(
            nearby.fronts(most), weighed, best, loss, left - _STATES_PER_QUESTION * min(asked, most)
        )
        best, left = search.best, search.left
        if not nearby.complete:
            break  # found by looking at a part, which proves nothing
        if left >= 0:
            bound = min(limit, _time(best))
        questions = asked + asked // 2 + 1
    return Choice(best[0], best[1], _recipe(best[4]), min(bound, _time(best)))


def _levelled(state: State, nearby: Nearby) -> State:
    """Some of the ways that lose nothing, until the two times are as close as these can bring them."""
    for way in nearby.ties():
        after = _after(state, way)
        if _time(after) < _time(state):
            state = after
        if state[0] >= state[1]:
            break
    return state


class Search:
    """The best plan of less than a loss, if there is any; `left` falls below 0 where it has no end."""

    def __init__(self, fronts: list[Front], weighed: Weighed, best: State, loss: int, left: int) -> None:
        self.best, self.left = best, left
        self._weighed = weighed
        self._total_weight = weighed.chip_weight + weighed.link_weight
        self._mean = weighed.weigh(weighed.total.chip, weighed.total.link)
        self._loss = loss
        start: State = (*weighed.total, 0, None)
        # The widest fronts first: they decide, and the narrow ones then fill what is left.
        self._descend(start, sorted(fronts, key=_width, reverse=True))
        self._look_at_all(start, sorted(_bundled(fronts), key=_width, reverse=True))

    def _keep(self, states: list[State]) -> None:
        """The best one of the states, if it is better than the best so far."""
        time = min([state[0] if state[0] > state[1] else state[1] for state in states])
        if time <= _time(self.best):
            self.best = min(self.best, min(states, key=_rank), key=_rank)
            self._loss = min(self._loss, _time(self.best) * self._total_weight - self._mean)

    def _descend(self, state: State, fronts: list[Front]) -> None:
        """A good plan soon, so that much can be left out later: place by place what helps the time most."""
        for front in fronts:
            chip, link = state[:2]
            way = min(front, key=lambda way: (max(chip + way.chip, link + way.link), way.loss))
            state = _after(state, way)
        self._keep([state])

    def _look_at_all(self, start: State, fronts: list[Front]) -> None:
        # What the places not decided yet can take from each time at most.
        rest_chip = -sum(front[0].chip for front in fronts)
        rest_link = -sum(front[-1].link for front in fronts)
        states = [start]
        for front in fronts:
            rest_chip, rest_link = rest_chip + front[0].chip, rest_link + front[-1].link
            self.left -= len(states) * len(front)
            if self.left < 0:
                return
            loss = self._loss
            time = (self._mean + loss) // self._total_weight
            grown = [
                (c, k, erases + e, worse, (trace, recipe) if recipe else trace)
                for chip_more, link_more, e, recipe, loss_more in front
                for chip, link, erases, lost, trace in states
                if (worse := lost + loss_more) < loss
                and (c := chip + chip_more) < time + rest_chip
                and (k := link + link_more) < time + rest_link
            ]
            if not grown:
                return
            grown.sort(key=_COSTS)
            states = []
            lightest = grown[0][1] + 1
            for state in grown:
                if state[1] < lightest:
                    lightest = state[1]
                    states.append(state)
            self._keep(states)


_COSTS = itemgetter(0, 1, 2)


def _width(front: Front) -> int:
    return front[-1].chip - front[0].chip


def _time(state: State) -> int:
    return max(state[0], state[1])


def _after(state: State, way: Way) -> State:
    chip, link, erases, loss, trace = state
    if way.recipe:
        trace = (trace, way.recipe)
    return chip + way.chip, link + way.link, erases + way.erases, loss + way.loss, trace


def _rank(state: State) -> tuple[int, int, int]:
    return max(state[0], state[1]), state[0] + state[1], state[2]


def _bundled(fronts: list[Front]) -> Iterator[Front]:
    """Many places with the same single question are one place where it is asked of 1, 2, 4, ... at once."""
    alike: dict[tuple[int, int], list[Way]] = {}
    for front in fronts:
        if len(front) == 2:
            way = front[0] if front[0].recipe else front[1]
            alike.setdefault((way.chip, way.link), []).append(way)
        else:
            yield front
    for (chip, link), ways in alike.items():
        start, size = 0, 1
        while start < len(ways):
            size = min(size, len(ways) - start)
            some = ways[start : start + size]
            recipe = tuple(chain.from_iterable(way.recipe for way in some))
            erases, loss = sum(way.erases for way in some), sum(way.loss for way in some)
            yield sorted([Way(0, 0, 0, (), 0), Way(chip * size, link * size, erases, recipe, loss)])
            start, size = start + size, 2 * size


def _recipe(trace: object) -> Recipe:
    recipe: list[tuple[int, int, int]] = []
    while isinstance(trace, tuple):
        trace, part = trace
        recipe += part
    return tuple(recipe)
