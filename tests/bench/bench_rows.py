"""What the side-by-side measurement found, row by row, each beside its limit.

Start-up and the digest's seconds a byte are boardflash's own, measured on an image of one granule and
between 2 and 16 MiB unchanged, for each chip under each cost model; internal flash is digested at the first
chip's rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cases import (
    CHIP_SIZE,
    LARGE,
    MEMORIES,
    REAL,
    SITUATIONS,
    START_UP_SIZE,
    TOOLS,
    TWINS,
    Case,
    all_cases,
    device_after,
    device_before,
    image_of,
    start_up_case,
)
from limits import Change, Limit, change_limit

from boardflash.description.load import load_board
from boardflash.description.model import Board

Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One image on one device under one cost model; what a tool has no result for is left out."""

    case: Case  # boardflash's
    limit: Limit
    seconds: Mapping[str, float]  # by tool
    lost: Mapping[str, int]

    @property
    def title(self) -> str:
        return f"{self.case.what}, {self.case.situation}"

    def ratio(self, tool: str) -> float:
        return self.seconds[tool] / self.limit.total


def digest_rate(results: Results, memory: str, chip: str, model: str = REAL) -> tuple[float, float]:
    """Start-up, and seconds a byte: what the unchanged check costs on top. KeyError: not measured."""

    def seconds(case: Case) -> float:
        return float(results[case.key]["board_seconds"])

    def unchanged(size: int) -> float:
        return seconds(Case("boardflash", "random", size, "unchanged", "qspi", chip, model))

    rate = (unchanged(CHIP_SIZE) - unchanged(LARGE)) / (CHIP_SIZE - LARGE)
    return seconds(start_up_case(memory, chip, model)) - START_UP_SIZE * rate, rate


def limit_of(case: Case, board: Board, start_up: float, rate: float) -> Limit:
    digested = _limit_per_rate(replace(case, tool="boardflash", model=REAL), board.name)
    return replace(
        digested,
        start_up=start_up,
        first_digest=digested.first_digest * rate,
        last_digest=digested.last_digest * rate,
    )


@lru_cache(maxsize=64)
def _limit_per_rate(case: Case, board_name: str) -> Limit:
    """Without start-up, and with digests of a second a byte: the same for all tools and models."""
    board = load_board(board_name)
    assert board.qspi is not None
    chip = next(chip for chip in board.qspi.chips if chip.name == case.chip)
    changes = [
        Change(
            board.region(name),
            chip if name == "qspi" else None,
            device_before(case, name),
            device_after(case, name),
            len(image_of(case, name)),
        )
        for name in case.regions
    ]
    return change_limit(board, changes, start_up=0, digest_rate=1)


def subjects(model: str = REAL) -> list[Case]:
    """What the tables show, in their order: every case once, whichever tools take it."""

    def order(case: Case) -> tuple[int, int, int, str, int]:
        memory, chip = list(MEMORIES).index(case.memory), list(TWINS).index(case.chip)
        return memory, chip, case.size, case.content, SITUATIONS.index(case.situation)

    cases = (case for case in all_cases() if case.model == model)
    shown = {case.by("boardflash") for case in cases if case.size != START_UP_SIZE}
    return sorted(shown, key=order)


def rows(results: Results, board: Board, model: str = REAL) -> list[Row]:
    """The rows that have a result and a limit under this model."""
    found = []
    for case in subjects(model):
        ran = {tool: results[case.by(tool).key] for tool in TOOLS if case.by(tool).key in results}
        try:
            start_up, rate = digest_rate(results, case.memory, case.chip, model)
        except KeyError:
            continue
        if not ran:
            continue
        found.append(
            Row(
                case,
                limit_of(case, board, start_up, rate),
                {tool: float(result["board_seconds"]) for tool, result in ran.items()},
                {tool: int(result["lost_bytes"]) for tool, result in ran.items()},
            )
        )
    return found
