"""Pages of all FFh are never sent; everything else is, once."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from boardflash.program.execute import PROGRAM_CHUNK, SMALL_GAP, stretches
from boardflash.program.work import count_pages

PAGE = 256


@given(st.lists(st.sampled_from([b"\xff" * PAGE, b"\x5a" * PAGE, b"\xff" * 255 + b"\x00"]), max_size=80))
def test_what_is_left_out_is_blank_and_nothing_is_sent_twice(pages: list[bytes]) -> None:
    data = b"".join(pages)
    device = bytearray(b"\xff" * len(data))
    last_end = 0
    for address, size in stretches(0x9000_0000, data, PAGE):
        at = address - 0x9000_0000
        assert at >= last_end
        assert 0 < size <= PROGRAM_CHUNK
        device[at : at + size] = data[at : at + size]
        last_end = at + size
    assert bytes(device) == data


def test_a_blank_unit_needs_no_programming() -> None:
    assert list(stretches(0x0800_0000, b"\xff" * 65536, PAGE)) == []


def test_a_long_blank_gap_splits_the_transfer_and_a_short_one_does_not() -> None:
    written, blank = b"\x01" * PAGE, b"\xff" * PAGE
    short = written + blank * (SMALL_GAP // PAGE) + written
    long = written + blank * (SMALL_GAP // PAGE + 1) + written
    assert list(stretches(0, short, PAGE)) == [(0, len(short))]
    assert list(stretches(0, long, PAGE)) == [(0, PAGE), (len(long) - PAGE, PAGE)]


def test_pages_are_counted_as_the_chip_programs_them() -> None:
    assert count_pages(b"\xff" * 1024, PAGE) == 0
    assert count_pages(b"\xff" * 300 + b"\x00" + b"\xff" * 10, PAGE) == 1
    assert count_pages(bytes(257), PAGE) == 2
