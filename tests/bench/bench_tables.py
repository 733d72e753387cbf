"""Tables of the side-by-side measurement: docs/bench.md, docs/bench.svg and plain text, from kept results.

All are divided by the limit of limits.py. Start-up and the digest's seconds a byte in it
are boardflash's own, measured on an image of one granule and between 2 and 16 MiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import bench_chart
from cases import (
    CHIP_SIZE,
    CONTENTS,
    LARGE,
    SITUATIONS,
    SMALL,
    START_UP_SIZE,
    TOOLS,
    Case,
    device_after,
    device_before,
)
from limits import change_limit

from boardflash.description.model import Board

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEMPLATE = Path(__file__).with_name("bench.md.template")
CHIP = "n25q128a13"
SIZES = {SMALL: "150 kB", LARGE: "2 MiB", CHIP_SIZE: "16 MiB"}
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One content, size and situation; what a tool has no result for is left out."""

    content: str
    size: int
    situation: str
    limit: float
    link: float
    chip: float
    seconds: Mapping[str, float]  # by tool
    lost: Mapping[str, int]

    @property
    def title(self) -> str:
        return f"{SIZES[self.size]} {self.content}, {self.situation}"

    def ratio(self, tool: str) -> float:
        return self.seconds[tool] / self.limit


def digest_rate(results: Results) -> tuple[float, float]:
    """Start-up, and seconds a byte: what the unchanged check costs on top."""

    def unchanged(size: int) -> float:
        return float(results[Case("boardflash", "random", size, "unchanged").key]["board_seconds"])

    rate = (unchanged(CHIP_SIZE) - unchanged(LARGE)) / (CHIP_SIZE - LARGE)
    return unchanged(START_UP_SIZE) - START_UP_SIZE * rate, rate


def rows(results: Results, board: Board) -> list[Row]:
    assert board.qspi is not None
    chip = next(chip for chip in board.qspi.chips if chip.name == CHIP)
    start_up, rate = digest_rate(results)
    found = []
    wanted = [(c, size, s) for size in (SMALL, LARGE) for c in CONTENTS for s in SITUATIONS]
    for content, size, situation in [*wanted, ("random", CHIP_SIZE, "unchanged")]:
        cases = {tool: Case(tool, content, size, situation) for tool in TOOLS}
        any_tool = cases["boardflash"]
        limit = change_limit(
            board,
            chip,
            device_before(any_tool),
            device_after(any_tool),
            start_up=start_up,
            digest=rate * size,
        )
        ran = {tool: results[case.key] for tool, case in cases.items() if case.key in results}
        if not ran:
            continue
        found.append(
            Row(
                content,
                size,
                situation,
                limit.total,
                limit.link,
                limit.chip,
                {tool: float(result["board_seconds"]) for tool, result in ran.items()},
                {tool: int(result["lost_bytes"]) for tool, result in ran.items()},
            )
        )
    return found


def _cell(row: Row, tool: str) -> str:
    """A dash where there is no result: the tool does not take that case, or it has not been run yet."""
    if tool not in row.seconds:
        return "-"
    return f"{row.seconds[tool]:.3f} s, {row.ratio(tool):.2f}x"


def _lost(row: Row) -> str:
    return ", ".join(f"{tool} {count:,}" for tool, count in row.lost.items() if count) or "none"


HEADS = ("image", "device before", "limit", *TOOLS, "bytes lost beside the image")


def cells(row: Row) -> list[str]:
    limit = f"{row.limit:.3f} s"
    name = f"{SIZES[row.size]} {row.content}"
    return [name, row.situation, limit, *(_cell(row, tool) for tool in TOOLS), _lost(row)]


def plain(found: list[Row]) -> str:
    lines = [list(HEADS), *map(cells, found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(found: list[Row], results: Results) -> str:
    start_up, rate = digest_rate(results)
    table = [HEADS, ("---",) * len(HEADS), *map(cells, found)]
    lines = ["| " + " | ".join(line) + " |" for line in table]
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(
        table="\n".join(lines), start_up=f"{start_up * 1000:.0f}", rate=f"{1e-6 / rate:.1f}"
    )


def bars(found: list[Row]) -> bench_chart.Bars:
    return [
        (row.title, {tool: (row.ratio(tool), row.seconds[tool]) for tool in row.seconds}) for row in found
    ]


def write(results: Results, board: Board) -> None:
    found = rows(results, board)
    DOCS.mkdir(exist_ok=True)
    (DOCS / "bench.md").write_text(markdown(found, results), encoding="utf-8")
    (DOCS / "bench.svg").write_text(bench_chart.chart(bars(found)), encoding="utf-8")
    print(plain(found))
