"""Pages of all FFh are never sent, all else is, once; chunks shrink or grow as link and chip want it."""

from __future__ import annotations

import random

import hypothesis.strategies as st
import lz4.block
from hypothesis import given

from boardflash.program.chunks import CHUNK_MIN, SMALL_GAP, ChunkSizes, packed, stretches
from boardflash.program.work import count_pages

PAGE = 256
LIMIT = 64 * 1024


def cut(address: int, data: bytes, limit: int = LIMIT) -> list[tuple[int, int]]:
    return list(stretches(address, data, PAGE, lambda: limit))


@given(
    st.lists(st.sampled_from([b"\xff" * PAGE, b"\x5a" * PAGE, b"\xff" * 255 + b"\x00"]), max_size=80),
    st.integers(0, 300),
    st.sampled_from([4096, 5120, 16384]),
)
def test_what_is_left_out_is_blank_and_nothing_is_sent_twice(
    pages: list[bytes], offset: int, limit: int
) -> None:
    data = b"".join(pages)
    device = bytearray(b"\xff" * len(data))
    last_end = 0
    for address, size in cut(0x9000_0000 + offset, data, limit):
        at = address - 0x9000_0000 - offset
        assert at >= last_end
        assert 0 < size <= limit
        device[at : at + size] = data[at : at + size]
        last_end = at + size
    assert bytes(device) == data


def test_a_blank_unit_needs_no_programming() -> None:
    assert cut(0x0800_0000, b"\xff" * 65536) == []


def test_a_long_blank_gap_splits_the_transfer_and_a_short_one_does_not() -> None:
    written, blank = b"\x01" * PAGE, b"\xff" * PAGE
    short = written + blank * (SMALL_GAP // PAGE) + written
    long = written + blank * (SMALL_GAP // PAGE + 1) + written
    assert cut(0, short) == [(0, len(short))]
    assert cut(0, long) == [(0, PAGE), (len(long) - PAGE, PAGE)]


def test_pages_are_counted_as_the_chip_programs_them() -> None:
    assert count_pages(b"\xff" * 1024, PAGE) == 0
    assert count_pages(b"\xff" * 300 + b"\x00" + b"\xff" * 10, PAGE) == 1
    assert count_pages(bytes(257), PAGE) == 2


def lengths(total: int, ratio: float, *, at_once: bool = True) -> list[int]:
    sizes = ChunkSizes(LIMIT, ratio)
    sizes.plan(total, at_once=at_once)
    found = []
    while total:
        found.append(min(total, sizes.next()))
        sizes.sent(found[-1])
        total -= found[-1]
    return found


def test_where_the_link_is_slower_chunks_shrink_so_that_the_chip_ends_soon_after_the_last_byte() -> None:
    ratio = 0.7
    found = lengths(1 << 20, ratio)
    assert found[0] == LIMIT and max(found[-2:]) <= CHUNK_MIN
    # The chip is done with each chunk when the next one has come, and so never two behind.
    sent = finished = 0.0
    for length in found:
        sent += length
        finished = max(finished, sent) + length * ratio
    assert finished <= sent + 2 * CHUNK_MIN * ratio


def test_where_the_chip_is_slower_the_first_chunk_is_short() -> None:
    found = lengths(1 << 20, 1.6)
    assert found[0] == CHUNK_MIN
    assert found == sorted(found[:-1]) + found[-1:] and LIMIT in found


def test_behind_an_erase_there_is_time_for_a_long_first_chunk() -> None:
    assert lengths(1 << 20, 1.6, at_once=False)[0] == LIMIT


def test_only_what_gets_shorter_is_packed() -> None:
    noise = random.Random(1).randbytes(4096)
    assert packed(noise) is None
    block = packed(noise[:64] * 64)
    assert block is not None and len(block) < 200
    assert lz4.block.decompress(block, uncompressed_size=4096) == noise[:64] * 64
