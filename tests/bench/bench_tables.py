"""docs/bench.md, docs/bench.svg, README's table and plain text, from the measurement's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import bench_chart
from bench_rows import Results, Row, digest_rate, rows, subjects
from cases import FIRST_CHIP, FLAT, REAL, TOOLS, Case
from goals import goals
from readme_table import put_into_readme

from boardflash.description.model import Board

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEMPLATE = Path(__file__).with_name("bench.md.template")
FIGURES = ("limit", *TOOLS)
HEADS = (
    "image",
    "memory",
    "device before",
    "limited by",
    *FIGURES,
    *(f"flat: {head}" for head in FIGURES),
    "bytes lost beside the image",
)
SAME_SOURCES = "All rows were measured with the same sources."
OTHER_SOURCES = (
    "The rows were not all measured with the same sources: {many} of {all} results are of other sources\n"
    "than the rest. `--all` measures all of them anew."
)
UNMEASURED = "(not measured yet)"


@dataclass(frozen=True)
class Both:
    """One image on one device, under each model that it has been measured under."""

    case: Case
    real: Row | None
    flat: Row | None


def both_models(results: Results, board: Board) -> list[Both]:
    real, flat = (
        {row.case.under(REAL): row for row in rows(results, board, model)} for model in (REAL, FLAT)
    )
    cases = (case for case in subjects() if case in real or case in flat)
    return [Both(case, real.get(case), flat.get(case)) for case in cases]


def _figures(row: Row | None) -> list[str]:
    """A dash where there is no result: the tool does not take that case, or it has not been run yet."""
    if row is None:
        return ["-"] * len(FIGURES)
    tools = [
        f"{row.seconds[tool]:.3f} s, {row.ratio(tool):.2f}x" if tool in row.seconds else "-" for tool in TOOLS
    ]
    return [f"{row.limit.total:.3f} s", *tools]


def _lost(both: Both) -> str:
    """The more of the two models, should they differ."""
    most = {
        tool: max(row.lost.get(tool, 0) for row in (both.real, both.flat) if row is not None)
        for tool in TOOLS
    }
    return ", ".join(f"{tool} {count:,}" for tool, count in most.items() if count) or "none"


def cells(both: Both) -> list[str]:
    case, some = both.case, both.real or both.flat
    assert some is not None
    start = [case.what, case.place, case.situation, some.limit.side]
    return [*start, *_figures(both.real), *_figures(both.flat), _lost(both)]


def plain(found: Sequence[Both]) -> str:
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


def _sources(results: Results) -> str:
    """Whether all results are of the same sources, and if not how many are of others than most."""
    count = Counter(result.get("sources") for result in results.values())
    if len(count) == 1:
        return SAME_SOURCES
    others = len(results) - max(count.values())
    return OTHER_SOURCES.format(many=others, all=len(results))


def _rates(results: Results, model: str) -> str:
    """Start-up and the digest's rate, as they enter the limit."""
    try:
        start_up, rate = digest_rate(results, "qspi", FIRST_CHIP, model)
    except KeyError:
        return UNMEASURED
    return f"{start_up * 1000:.0f} ms and {1e-6 / rate:.1f} MB/s"


def markdown(results: Results, board: Board) -> str:
    found = both_models(results, board)
    real = [both.real for both in found if both.real is not None]
    reached = ([goal.goal, goal.figure, "yes" if goal.met else "no"] for goal in goals(real))
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        table=_table(HEADS, map(cells, found)),
        goals=_table(("goal", "reached", "met"), reached),
        runs=_sources(results),
        rates=_rates(results, REAL),
        flat_rates=_rates(results, FLAT),
        openocd=_openocd_alike(real),
    )


def bars(found: Sequence[Row]) -> bench_chart.Bars:
    return [
        (row.case.place, row.title, {tool: (row.ratio(tool), row.seconds[tool]) for tool in row.seconds})
        for row in found
    ]


def write(results: Results, board: Board, folder: Path) -> None:
    """README is made of the results in docs/ alone. Chart, goals and README are of the real model."""
    found = rows(results, board)
    if not found:
        raise SystemExit("no tables: boardflash's unchanged cases, which the limit stands on, are missing")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.md").write_text(markdown(results, board), encoding="utf-8")
    (folder / "bench.svg").write_text(bench_chart.chart(bars(found)), encoding="utf-8")
    if folder == DOCS:
        put_into_readme(found)
    print(plain(both_models(results, board)))
    for goal in goals(found):
        print(f"\n{'met' if goal.met else 'NOT MET'}: {goal.goal}: {goal.figure}")
