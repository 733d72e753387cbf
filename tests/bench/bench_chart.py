"""A bar chart as SVG: for each case one bar a tool, how many times the limit it took; logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

#: Heading, title, tool -> (times the limit, seconds); rows under one heading lie together.
Bars = Sequence[tuple[str, str, Mapping[str, tuple[float, float]]]]

COLOURS = {"boardflash": "#2a7f62", "pyOCD": "#c98b2b", "OpenOCD": "#8a6fb0"}
LEFT, WIDTH, RIGHT = 230, 560, 130
BAR, GAP, HEADING, TOP, BOTTOM = 11, 7, 24, 64, 24
LOWEST = 0.5
FONT = 'font-family="sans-serif"'


def _ticks(highest: float) -> list[float]:
    ticks = [LOWEST]
    while ticks[-1] < highest:
        ticks.append(ticks[-1] * 2)
    return ticks


def _text(
    x: float,
    y: float,
    text: str,
    size: int = 11,
    anchor: str = "start",
    *,
    bold: bool = False,
    clear: bool = False,
) -> str:
    """`clear`: on a rim of white, for where a line of the axis may run behind it."""
    more = ' font-weight="bold"' if bold else ""
    more += ' stroke="#fff" stroke-width="4" paint-order="stroke"' if clear else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="#222" {FONT}{more}>{escape(text)}</text>'


def chart(bars: Bars) -> str:
    """Bars start at the left edge of the axis; the limit is the line at 1."""
    ticks = _ticks(max(ratio for _, _, tools in bars for ratio, _ in tools.values()))
    span = math.log(ticks[-1] / LOWEST)

    def across(ratio: float) -> float:
        return LEFT + WIDTH * math.log(max(ratio, LOWEST) / LOWEST) / span

    body: list[str] = []
    y, under = float(TOP), ""
    for heading, title, tools in bars:
        if heading != under:
            under = heading
            body.append(_text(LEFT - 8, y + HEADING - 10, heading, 12, "end", bold=True))
            y += HEADING
        body.append(_text(LEFT - 8, y + BAR * len(tools) / 2 + 4, title, anchor="end"))
        for tool, (ratio, seconds) in tools.items():
            body.append(
                f'<rect x="{LEFT}" y="{y:.1f}" width="{across(ratio) - LEFT:.1f}" height="{BAR - 1}"'
                f' fill="{COLOURS[tool]}"/>'
            )
            body.append(
                _text(across(ratio) + 5, y + BAR - 2, f"{ratio:.2f}x, {seconds:.2f} s", 9, clear=True)
            )
            y += BAR
        y += GAP
    total_width, height = LEFT + WIDTH + RIGHT, y + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width}" height="{height:.0f}"'
        f' viewBox="0 0 {total_width} {height:.0f}">'
    )
    background = f'<rect width="{total_width}" height="{height:.0f}" fill="#fff"/>'
    title = _text(LEFT, 18, "Time on the board's clock, divided by the limit; shorter is better", size=13)
    axis = [line for tick in ticks for line in _tick(across(tick), tick, y)]
    return "\n".join([head, background, title, *_legend(), *axis, *body, "</svg>", ""])


def _tick(x: float, tick: float, bottom: float) -> list[str]:
    """Its line, and its name above and below."""
    limit = tick == 1
    name = "limit" if limit else f"{tick:g}x"
    return [
        f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom:.1f}"'
        f' stroke="{"#b00020" if limit else "#ddd"}" stroke-width="{2 if limit else 1}"/>',
        *(_text(x, at, name, anchor="middle") for at in (TOP - 10, bottom + 14)),
    ]


def _legend() -> list[str]:
    drawn = []
    for x, (tool, colour) in zip(range(LEFT, LEFT + 300, 100), COLOURS.items(), strict=True):
        drawn.append(f'<rect x="{x}" y="26" width="10" height="10" fill="{colour}"/>')
        drawn.append(_text(x + 14, 35, tool))
    return drawn
