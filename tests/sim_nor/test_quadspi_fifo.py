"""What DR does at the edges of a transfer and outside of one (stm32-quadspi.md sections 2 and 4)."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import (
    AR,
    BUSY,
    CCR,
    DLR,
    DR,
    FTF,
    MAPPED,
    READ,
    TCF,
    US,
    WRITE,
    Controller,
    ccr,
)

PAGE_PROGRAM = ccr(0x02, WRITE, lines=(1, 1, 1))
SLOW_READ = ccr(0x03, READ, lines=(1, 1, 1))
CLOCK = 18519  # ps at 54 MHz


def programming(length: int) -> Controller:
    """A page program of so many bytes at address 0, before its first byte."""
    c = Controller()
    c.command(0x06)
    c.wait(US)
    c.w(DLR, length - 1)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    return c


@pytest.mark.parametrize("length", [1, 4, 6, 31])
def test_bytes_beyond_dlr_are_flushed_at_the_end_of_the_transfer(length: int) -> None:
    c = programming(length)
    for n in range(8):
        c.w(DR, 0x03020100 + 0x04040404 * n)
    assert c.flevel == 32, "they wait in the FIFO with the others"
    assert not c.sr & FTF, "and leave no room"
    c.until(TCF)
    assert c.flevel == 0
    assert c.sr & FTF
    assert not c.sr & BUSY
    c.ready()
    assert c.chip.array[:40] == bytes(range(length)) + b"\xff" * (40 - length)
    assert c.chip.stats.pages_programmed == 1


@pytest.mark.parametrize(("length", "words"), [(4, 9), (32, 16), (33, 17)])
def test_a_full_fifo_makes_the_access_wait_until_the_transfer_is_over(length: int, words: int) -> None:
    """No bus fault: the bus waits for room, and at the end of the transfer there is room."""
    c = programming(length)
    start = c.clock.now_ps
    for n in range(words):
        c.w(DR, 0x03020100 + 0x04040404 * n)
    assert c.clock.now_ps - start == pytest.approx((32 + 8 * length) * CLOCK, rel=1e-4)
    assert c.flevel == 0
    assert not c.sr & BUSY, "it was flushed with the rest: it begins nothing"
    c.ready()
    assert c.chip.array[:40] == bytes(range(length)) + b"\xff" * (40 - length)


def test_what_the_transfer_still_takes_waits_only_for_its_room() -> None:
    c = programming(64)
    start = c.clock.now_ps
    for _ in range(9):
        c.w(DR, 0)
    assert c.clock.now_ps - start == pytest.approx((32 + 4 * 8) * CLOCK, rel=1e-4)
    assert c.flevel == 32


def test_an_abort_beyond_dlr_sends_nothing_of_it() -> None:
    c = programming(2)
    c.w(DR, 0)
    c.w(DR, 0)
    c.wait((32 + 2 * 8) * CLOCK)
    c.abort()
    c.ready()
    assert c.chip.array[:4] == b"\0\0\xff\xff"


def test_dr_reads_zero_in_memory_mapped_mode() -> None:
    c = Controller()
    c.chip.array[:4] = b"\x11\x22\x33\x44"
    assert c.read(SLOW_READ, 4, 0) == b"\x11\x22\x33\x44"
    assert c.r(DR) != 0, "outside of a transfer it keeps what was read last"
    c.w(CCR, ccr(0x03, MAPPED, lines=(1, 1, 1)))
    assert [c.r(DR), c.r(DR, 1)] == [0, 0]
    assert c.q.window_read(0, 4) == 0x44332211
    assert c.r(DR) == 0
    c.w(DR, 0x55)
    assert c.q.window_read(4, 4) == 0xFFFFFFFF
