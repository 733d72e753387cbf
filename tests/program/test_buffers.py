"""Target RAM is handed out without overlap and comes back whole."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from boardflash.program.buffers import BufferPool

BASE, END = 0x2000_4000, 0x2000_8000


def test_all_room_can_be_taken_at_once_and_again_after_it_came_back() -> None:
    pool = BufferPool(BASE, END)
    address = pool.allocate(END - BASE)
    assert address == BASE
    assert pool.allocate(4) is None
    pool.free(BASE)
    assert pool.allocate(END - BASE) == BASE


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=60))
def test_buffers_never_overlap_and_are_word_aligned(requests: list[tuple[int, bool]]) -> None:
    pool = BufferPool(BASE, END)
    taken: dict[int, int] = {}
    for size, give_back in requests:
        if give_back and taken:
            address = min(taken)
            pool.free(address)
            del taken[address]
        address_or_none = pool.allocate(size)
        if address_or_none is None:
            continue
        address = address_or_none
        assert address % 4 == 0
        assert address >= BASE
        assert address + size <= END
        assert all(address + size <= other or other + length <= address for other, length in taken.items())
        taken[address] = size
    for address in list(taken):
        pool.free(address)
    assert pool.allocate(END - BASE) == BASE
