"""The goals that the side-by-side measurement is held to, and where one is missed, the arithmetic of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench_rows import Row
from cases import CHIP_SIZE, FIRST_CHIP, LARGE

FULL_WRITE, ONE_BYTE, BOTH = 1.05, 1.1, 1.05
UNCHANGED = 15
OURS = "boardflash"


@dataclass(frozen=True)
class Goal:
    """One goal, for all the rows that meet it or for one that does not."""

    goal: str
    figure: str
    met: bool


def goals(found: Sequence[Row]) -> list[Goal]:
    """Those that there are results for."""
    ours = [row for row in found if OURS in row.seconds]
    writes = [row for row in ours if row.case.situation == "full"]
    blank = [row for row in ours if row.case.situation == "blank"]
    ones = [row for row in ours if row.case.situation == "one byte"]
    limit = "within {:g}x of the limit"
    return [
        *_against_limit("full write over old content " + limit.format(FULL_WRITE), writes, FULL_WRITE),
        *_against_limit("full write to a blank chip " + limit.format(FULL_WRITE), blank, FULL_WRITE),
        *_against_limit("one changed byte " + limit.format(ONE_BYTE), ones, ONE_BYTE),
        *_unchanged(ours),
        *_compressed([row for row in blank if row.case.content == "pictures"]),
        *_both(ours),
    ]


def _named(row: Row) -> str:
    place = "" if row.case.memory == "qspi" and row.case.chip == FIRST_CHIP else f" in {row.case.place}"
    return f"{row.case.what}{place}"


def _against_limit(goal: str, found: Sequence[Row], most: float) -> Iterator[Goal]:
    met = [row for row in found if row.ratio(OURS) <= most]
    if met:
        yield Goal(goal, "; ".join(f"{_named(row)} {row.ratio(OURS):.3f}x" for row in met), True)
    for row in found:
        if row not in met:
            yield Goal(goal, f"{_named(row)} {row.ratio(OURS):.3f}x: {arithmetic(row)}", False)


def arithmetic(row: Row) -> str:
    """What the limit is made of, what of it can be reached, and what was."""
    limit, took = row.limit, row.seconds[OURS]
    around = f"start-up {limit.start_up:.2f} + digests {limit.first_digest:.2f} + {limit.last_digest:.2f}"
    if limit.reachable > limit.total:
        late = limit.link - limit.ram_link
        programs = limit.chip - limit.chip_erase
        return (
            f"the cheapest erase is the chip's, {limit.chip_erase:.0f} s in which nothing programs and only"
            f" the target's RAM can be filled ({limit.ram_link:.2f} s of the link); then the remaining"
            f" {late:.1f} s of data on the link are longer than {programs:.1f} s of programming. {around} +"
            f" {limit.chip_erase:.0f} + {late:.1f} = {limit.reachable:.2f} s is the best to be reached,"
            f" {limit.reachable / limit.total:.3f}x; {took:.2f} s were,"
            f" {took / limit.reachable:.3f}x of that"
        )
    larger, smaller = ("chip", "link") if limit.side == "chip" else ("link", "chip")
    seconds = {"chip": limit.chip, "link": limit.link}
    return (
        f"{around} + {larger} {seconds[larger]:.2f} ({smaller} {seconds[smaller]:.2f} beside it)"
        f" = {limit.total:.2f} s; {took - limit.total:.2f} s more were taken"
    )


def _unchanged(found: Sequence[Row]) -> Iterator[Goal]:
    for row in found:
        if row.case.size == CHIP_SIZE and row.case.situation == "unchanged" and "pyOCD" in row.seconds:
            ours, theirs = row.seconds[OURS], row.seconds["pyOCD"]
            figure = f"{ours:.2f} s against {theirs:.2f} s, {theirs / ours:.1f}x"
            goal = f"16 MiB unchanged at least {UNCHANGED}x faster than pyOCD"
            yield Goal(goal, figure, theirs >= UNCHANGED * ours)


def _compressed(found: Sequence[Row]) -> Iterator[Goal]:
    """The link's own time counts with what no tool is spared: start-up and digests."""
    for row in found:
        limit, took = row.limit, row.seconds[OURS]
        allows = limit.around + limit.link
        figure = f"{_named(row)}: {took:.2f} s; uncompressed it takes {limit.link:.2f} s on the wire alone,"
        figure += f" {allows:.2f} s with start-up and digests"
        if took >= allows:
            figure += f". {arithmetic(row)}"
        yield Goal(
            "blank chip, compressible data: faster than the uncompressed link allows", figure, took < allows
        )


def _both(found: Sequence[Row]) -> Iterator[Goal]:
    def only(memory: str) -> Row | None:
        rows = [row for row in found if row.case.memory == memory and row.case.situation == "full"]
        rows = [row for row in rows if memory == "internal" or row.case.size == LARGE]
        return next((r for r in rows if r.case.content == "random" and r.case.chip == FIRST_CHIP), None)

    both, alone = only("both"), [only("internal"), only("qspi")]
    if both is None or None in alone:
        return
    slower = max((row for row in alone if row is not None), key=lambda row: row.seconds[OURS])
    ratio = both.seconds[OURS] / slower.seconds[OURS]
    figure = (
        f"{_named(both)}: {both.seconds[OURS]:.2f} s against {slower.seconds[OURS]:.2f} s for"
        f" {_named(slower)} alone, {ratio:.3f}x; limited by the {both.limit.side}"
    )
    if ratio > BOTH:
        figure += f". {arithmetic(both)}"
    yield Goal(f"both memories at once within {BOTH:g}x of the slower alone", figure, ratio <= BOTH)
