"""A bar chart as SVG: for each case one bar a tool, how many times the limit it took; logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

Bars = Sequence[tuple[str, Mapping[str, tuple[float, float]]]]  # title, tool -> (times the limit, seconds)

COLOURS = {"boardflash": "#2a7f62", "pyOCD": "#c98b2b", "OpenOCD": "#8a6fb0"}
LEFT, WIDTH, RIGHT = 220, 560, 130
BAR, GAP, TOP, BOTTOM = 11, 9, 54, 30
LOWEST = 0.5
FONT = 'font-family="sans-serif"'


def _ticks(highest: float) -> list[float]:
    ticks = [LOWEST]
    while ticks[-1] < highest:
        ticks.append(ticks[-1] * 2)
    return ticks


def _text(x: float, y: float, text: str, size: int = 11, anchor: str = "start", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" {FONT}>'
        f"{escape(text)}</text>"
    )


def chart(bars: Bars) -> str:
    """Bars start at the left edge of the axis; the limit is the line at 1."""
    highest = max(ratio for _, tools in bars for ratio, _ in tools.values())
    ticks = _ticks(highest)
    span = math.log(ticks[-1] / LOWEST)

    def across(ratio: float) -> float:
        return LEFT + WIDTH * math.log(max(ratio, LOWEST) / LOWEST) / span

    body: list[str] = []
    y = float(TOP)
    for title, tools in bars:
        body.append(_text(LEFT - 8, y + BAR * len(tools) / 2 + 4, title, anchor="end"))
        for tool, (ratio, seconds) in tools.items():
            body.append(
                f'<rect x="{LEFT}" y="{y:.1f}" width="{across(ratio) - LEFT:.1f}" height="{BAR - 1}"'
                f' fill="{COLOURS[tool]}"/>'
            )
            body.append(_text(across(ratio) + 4, y + BAR - 2, f"{ratio:.2f}x, {seconds:.2f} s", size=9))
            y += BAR
        y += GAP
    axis = []
    for tick in ticks:
        limit = tick == 1
        axis.append(
            f'<line x1="{across(tick):.1f}" y1="{TOP - 6}" x2="{across(tick):.1f}" y2="{y:.1f}"'
            f' stroke="{"#b00020" if limit else "#ddd"}" stroke-width="{2 if limit else 1}"/>'
        )
        axis.append(_text(across(tick), y + 14, "limit" if limit else f"{tick:g}x", anchor="middle"))
    legend = []
    x = float(LEFT)
    for tool, colour in COLOURS.items():
        legend.append(f'<rect x="{x:.1f}" y="28" width="10" height="10" fill="{colour}"/>')
        legend.append(_text(x + 14, 37, tool))
        x += 100
    total_width, height = LEFT + WIDTH + RIGHT, y + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width}" height="{height:.0f}"'
        f' viewBox="0 0 {total_width} {height:.0f}">'
    )
    background = f'<rect width="{total_width}" height="{height:.0f}" fill="#fff"/>'
    title = _text(LEFT, 18, "Time on the board's clock, divided by the limit; shorter is better", size=13)
    return "\n".join([head, background, title, *legend, *axis, *body, "</svg>", ""])
