"""README's own table of the side-by-side measurement: a few rows of the real model, of the kept results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench_rows import Row
from cases import (
    CHIP_SIZE,
    FIRMWARE,
    FIRST_CHIP,
    LARGE,
    SECOND_CHIP,
    SMALL,
    TOOLS,
    TWINS,
    Case,
    all_cases,
    start_up_case,
)

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- measured: tests/bench/side_by_side.py -->\n", "<!-- end of measured -->\n"
HEADS = ("image", "device before", "limit", *TOOLS)
SHOWN = (
    *(Case("boardflash", "random", SMALL, s) for s in ("unchanged", "one byte", "full", "blank")),
    *(Case("boardflash", "random", LARGE, s) for s in ("unchanged", "10 %", "full", "blank")),
    Case("boardflash", "pictures", LARGE, "blank"),
    Case("boardflash", "random", CHIP_SIZE, "unchanged"),
    Case("boardflash", "random", CHIP_SIZE, "full"),
    Case("boardflash", "random", CHIP_SIZE, "full", "qspi", SECOND_CHIP),
    Case("boardflash", "random", FIRMWARE, "full", "internal"),
    Case("boardflash", "random", LARGE, "full", "both"),
)


def quoted() -> set[Case]:
    """The cases that README's table is made of: all tools of its rows, and what their limits stand on."""
    rows = {case for case in all_cases() if case.by("boardflash") in SHOWN}
    rates = {
        Case("boardflash", "random", size, "unchanged", "qspi", chip)
        for chip in TWINS
        for size in (LARGE, CHIP_SIZE)
    }
    return rows | rates | {start_up_case(case.memory, case.chip) for case in SHOWN}


def readme_table(found: Sequence[Row]) -> str:
    """Seconds on the board's clock, and times the limit."""
    by_case = {row.case: row for row in found}
    lines = ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    for case in SHOWN:
        row = by_case.get(case)
        if row is None:
            continue
        elsewhere = "" if (case.memory, case.chip) == ("qspi", FIRST_CHIP) else f" in {case.place}"
        tools = [
            f"{row.seconds[tool]:.2f} s, {row.ratio(tool):.2f}x" if tool in row.seconds else "-"
            for tool in TOOLS
        ]
        cells = [case.what + elsewhere, case.situation, f"{row.limit.total:.2f} s", *tools]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def in_readme() -> str:
    """The table as README has it."""
    return README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def put_into_readme(found: Sequence[Row]) -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + readme_table(found) + END + rest.split(END)[1], encoding="utf-8")
