"""Bytes laid around an image fill its gaps and never replace its own."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from boardflash.image.model import RegionImage, Segment
from boardflash.program.overlay import overlay, uncovered

BASE, SIZE = 0x9000_0000, 256


def image_of(cells: list[int | None]) -> RegionImage:
    runs: list[Segment] = []
    for index, cell in enumerate(cells):
        if cell is None:
            continue
        if runs and runs[-1].end == BASE + index:
            runs[-1] = Segment(runs[-1].address, runs[-1].data + bytes([cell]), "image")
        else:
            runs.append(Segment(BASE + index, bytes([cell]), "image"))
    return RegionImage("qspi", BASE, SIZE, tuple(runs))


cells = st.lists(st.one_of(st.none(), st.integers(0, 254)), min_size=SIZE, max_size=SIZE)


@given(cells, st.integers(0, SIZE - 1), st.integers(1, 40))
def test_each_byte_comes_from_the_image_or_else_from_around_it(
    content: list[int | None], start: int, length: int
) -> None:
    data = bytes(range(1, 41))[: min(length, SIZE - start)]
    image = image_of(content)
    joined = overlay(image, [Segment(BASE + start, data, "journal")])
    expected = list(content)
    for index, value in enumerate(data, start):
        if expected[index] is None:
            expected[index] = value
    assert joined.read(BASE, SIZE) == bytes(0xFF if cell is None else cell for cell in expected)
    assert joined.byte_count == sum(cell is not None for cell in expected)
    assert all(a.end < b.address for a, b in zip(joined.runs, joined.runs[1:], strict=False))


@given(cells)
def test_uncovered_is_what_covered_is_not(content: list[int | None]) -> None:
    image = image_of(content)
    outside = {BASE + i for i, cell in enumerate(content) if cell is None}
    found = {a for start, size in uncovered(image, BASE, SIZE) for a in range(start, start + size)}
    assert found == outside
