"""docs/bench.md, docs/bench.svg, README's table and plain text, from the measurement's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

import bench_chart
from bench_rows import Results, Row, digest_rate, rows
from cases import FIRST_CHIP, TOOLS
from goals import goals
from readme_table import put_into_readme

from boardflash.description.model import Board

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEMPLATE = Path(__file__).with_name("bench.md.template")
HEADS = ("image", "memory", "device before", "limit", "limited by", *TOOLS, "bytes lost beside the image")
ONE_RUN = "All rows come from one run, of one revision of the sources."
SEVERAL_RUNS = (
    "The rows come from more than one run, so perhaps from different revisions of the sources: some were\n"
    "measured anew by themselves. `--all` measures all of them in one run."
)


def _cell(row: Row, tool: str) -> str:
    """A dash where there is no result: the tool does not take that case, or it has not been run yet."""
    if tool not in row.seconds:
        return "-"
    return f"{row.seconds[tool]:.3f} s, {row.ratio(tool):.2f}x"


def _lost(row: Row) -> str:
    return ", ".join(f"{tool} {count:,}" for tool, count in row.lost.items() if count) or "none"


def cells(row: Row) -> list[str]:
    case = row.case
    tools = [_cell(row, tool) for tool in TOOLS]
    limit = f"{row.limit.total:.3f} s"
    return [case.what, case.place, case.situation, limit, row.limit.side, *tools, _lost(row)]


def plain(found: Sequence[Row]) -> str:
    lines = [list(HEADS), *map(cells, found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [tuple(heads), ("---",) * len(heads), *lines])


def _openocd_alike(found: Sequence[Row]) -> str:
    """Its own figures for the same work: erase and write everything."""
    times = [
        row.seconds["OpenOCD"]
        for row in found
        if "OpenOCD" in row.seconds and row.case.situation in ("full", "one byte", "10 %")
    ]
    if len(times) < 2:
        return ""
    return (
        "Rows `full`, `one byte` and `10 %` are the same work for it; the quickest of them took"
        f" {min(times):.2f} s, the slowest {max(times):.2f} s."
    )


def markdown(found: Sequence[Row], results: Results, *, one_run: bool) -> str:
    start_up, rate = digest_rate(results, "qspi", FIRST_CHIP)
    reached = ([goal.goal, goal.figure, "yes" if goal.met else "no"] for goal in goals(found))
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        table=_table(HEADS, map(cells, found)),
        goals=_table(("goal", "reached", "met"), reached),
        runs=ONE_RUN if one_run else SEVERAL_RUNS,
        start_up=f"{start_up * 1000:.0f}",
        rate=f"{1e-6 / rate:.1f}",
        openocd=_openocd_alike(found),
    )


def bars(found: Sequence[Row]) -> bench_chart.Bars:
    return [
        (row.case.place, row.title, {tool: (row.ratio(tool), row.seconds[tool]) for tool in row.seconds})
        for row in found
    ]


def write(results: Results, board: Board, *, one_run: bool) -> None:
    found = rows(results, board)
    if not found:
        raise SystemExit("no tables: boardflash's unchanged cases, which the limit stands on, are missing")
    DOCS.mkdir(exist_ok=True)
    (DOCS / "bench.md").write_text(markdown(found, results, one_run=one_run), encoding="utf-8")
    (DOCS / "bench.svg").write_text(bench_chart.chart(bars(found)), encoding="utf-8")
    put_into_readme(found)
    print(plain(found))
    for goal in goals(found):
        print(f"\n{'met' if goal.met else 'NOT MET'}: {goal.goal}: {goal.figure}")
