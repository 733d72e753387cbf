"""Memory-mapped mode (stm32-quadspi.md section 6) and time on the bus."""

from __future__ import annotations

import random

import pytest

from boardflash.sim.target import BusFault
from sim_nor.nor_bench import (
    ABR,
    AR,
    BUSY,
    CCR,
    CR,
    DCR,
    DLR,
    DR,
    EN,
    FCR,
    JV_IQ,
    LPTR,
    MAPPED,
    N25Q,
    READ,
    TCEN,
    TCF,
    TOF,
    US,
    Controller,
    ccr,
)

MAP_SLOW = ccr(0x03, MAPPED, lines=(1, 1, 1))
MAP_QUAD = ccr(0xEB, MAPPED, lines=(1, 4, 4), alternate=(4, 1), dummies=4)
CLOCK = 18519


def mapped(name: str = JV_IQ, command: int = MAP_QUAD, **more: object) -> Controller:
    c = Controller(name, **more)  # type: ignore[arg-type]
    c.chip.array[:] = bytes(n * 11 & 0xFF for n in range(1 << 12)) * (1 << 12)
    c.w(ABR, 0xFF)
    c.w(CCR, command)
    return c


def test_the_window_reads_the_chip() -> None:
    c = mapped()
    assert c.q.window_read(0x10, 4) == int.from_bytes(c.chip.array[0x10:0x14], "little")
    assert c.q.window_read(0x123, 1) == c.chip.array[0x123]
    assert c.q.window_bytes(0xFFF000, 0x1000) == c.chip.array[0xFFF000:]


def test_ccr_only_arms_and_the_first_access_makes_it_busy() -> None:
    c = mapped()
    c.wait(100 * US)
    assert not c.sr & BUSY
    c.q.window_read(0, 4)
    assert c.sr & BUSY
    c.wait(100 * US)
    assert c.sr & BUSY, "prefetch holds nCS low"


def test_other_modes_need_an_abort_first() -> None:
    c = mapped()
    c.q.window_read(0, 4)
    c.w(CCR, ccr(0x06))
    assert c.r(CCR) == MAP_QUAD
    c.abort()
    assert not c.sr & BUSY
    c.w(CCR, ccr(0x06))
    c.until(TCF)
    assert c.status() == 0x02


def test_address_register_is_ignored_while_mapped() -> None:
    c = mapped()
    c.w(AR, 0x1234)
    assert c.r(AR) == 0


@pytest.mark.parametrize("setup", ["indirect", "disabled"])
def test_outside_mapped_mode_the_window_faults(setup: str) -> None:
    c = mapped()
    if setup == "disabled":
        c.w(CR, 3 << 24)
    else:
        c.w(CCR, ccr(0x03, READ, lines=(1, 1, 1)))
    with pytest.raises(BusFault):
        c.q.window_read(0, 4)


def test_beyond_fsize_the_window_faults() -> None:
    c = mapped(fsize=19)  # 1 MiB
    c.q.window_read(0xFFFFC, 4)
    with pytest.raises(BusFault):
        c.q.window_read(0x100000, 4)
    with pytest.raises(BusFault):
        c.q.window_read(0xFFFFE, 4)


def test_fsize_of_32_mib_on_16_mib_aliases_without_a_fault() -> None:
    c = mapped(fsize=24)
    c.chip.array[0:4] = b"\x01\x02\x03\x04"
    assert c.q.window_read(0x0100_0000, 4) == 0x04030201


def test_the_window_is_read_only() -> None:
    with pytest.raises(BusFault):
        mapped().q.window_write(0)


def test_a_busy_chip_reads_as_pull_ups_without_an_error() -> None:
    c = Controller(N25Q)
    c.chip.array[0:4] = b"\0\0\0\0"
    c.erase(0xD8, 0x10000)
    c.w(CCR, MAP_SLOW)
    assert c.q.window_read(0, 4) == 0xFFFFFFFF


def test_sequential_reads_cost_data_clocks_only() -> None:
    c = mapped(command=MAP_SLOW)
    start = c.clock.now_ps
    c.q.window_read(0, 4)
    first = c.clock.now_ps - start
    assert first == pytest.approx((32 + 32) * CLOCK, rel=1e-3)
    c.q.window_read(4, 4)
    assert c.clock.now_ps - start - first == pytest.approx(32 * CLOCK, rel=1e-3)
    before = c.clock.now_ps
    c.q.window_read(0x8000, 4)
    # nCS high for CSHT + 1 = 2 clocks, then a new command
    assert c.clock.now_ps - before == pytest.approx((2 + 32 + 32) * CLOCK, rel=1e-3)


def test_prefetch_goes_on_while_the_core_computes() -> None:
    c = mapped(command=MAP_SLOW)
    c.q.window_read(0, 4)
    c.wait(100 * US)
    before = c.clock.now_ps
    for n in range(8):
        c.q.window_read(4 + 4 * n, 4)
    assert c.clock.now_ps == before, "32 bytes were waiting"
    c.q.window_read(36, 4)
    assert c.clock.now_ps > before


def test_prefetch_sees_what_the_chip_held_when_it_read() -> None:
    """A stale prefetch is why a window read after programming needs an abort first."""
    c = mapped(command=MAP_SLOW)
    c.q.window_read(0, 4)
    c.chip.array[4:8] = b"\xaa\xbb\xcc\xdd"
    c.abort()
    c.w(CCR, MAP_SLOW)
    assert c.q.window_read(4, 4) == 0xDDCCBBAA


def test_time_out_releases_ncs() -> None:
    c = mapped(command=MAP_SLOW)
    c.abort()
    c.w(CR, 3 << 24 | TCEN | EN)
    c.w(LPTR, 1000)
    c.q.window_read(0, 4)
    read = c.clock.now_ps
    c.until(TOF)
    assert c.clock.now_ps - read == pytest.approx((32 * 8 + 1000) * CLOCK, rel=1e-2)
    assert not c.sr & BUSY
    c.w(FCR, TOF)
    assert not c.sr & TOF
    assert c.q.window_read(4, 4) == int.from_bytes(c.chip.array[4:8], "little")


def test_without_tcen_there_is_no_time_out() -> None:
    c = mapped()
    c.w(LPTR, 10)
    c.q.window_read(0, 4)
    c.wait(10_000 * US)
    assert c.sr & BUSY
    assert not c.sr & TOF


def test_16_mib_of_sequential_quad_read_take_the_bus_time() -> None:
    """33,554,432 data clocks at 54 MHz; the controller adds one header."""
    c = Controller(JV_IQ)
    block = bytes(range(256)) * 256
    c.chip.array[:] = block * 256
    c.w(ABR, 0xFF)
    c.w(DLR, (1 << 24) - 1)
    c.w(CCR, ccr(0xEB, READ, lines=(1, 4, 4), alternate=(4, 1), dummies=4))
    start = c.clock.now_ps
    c.w(AR, 0)
    read = c.q.read
    for _ in range(1 << 16):
        assert read(DR, 4) == 0x03020100
        for _ in range(63):
            read(DR, 4)
    expected = (8 + 6 + 2 + 4 + 2 * (1 << 24)) / 54e6
    assert (c.clock.now_ps - start) / 1e12 == pytest.approx(expected, rel=1e-4)
    assert c.sr & TCF


def test_a_slow_reader_pays_its_own_time_and_a_fast_one_the_bus() -> None:
    for pause in (10_000, 1_000_000):
        c = Controller(JV_IQ)
        c.w(DLR, 4095)
        c.w(CCR, ccr(0x6B, READ, lines=(1, 1, 4), dummies=8))
        start = c.clock.now_ps
        c.w(AR, 0)
        for _ in range(1024):
            c.r(DR)
            c.wait(pause)
        took = c.clock.now_ps - start
        bus = (40 + 8192) * CLOCK
        core = 1024 * pause
        assert took == pytest.approx(max(bus, core + 48 * CLOCK), rel=1e-2)


def test_prescaler_and_kernel_clock_set_the_pace() -> None:
    for prescaler, hz in ((0, 216e6), (1, 108e6), (3, 54e6), (255, 843_750)):
        c = Controller(JV_IQ, prescaler=prescaler)
        start = c.clock.now_ps
        c.command(0x06)
        assert (c.clock.now_ps - start) / 1e12 == pytest.approx(8 / hz, rel=1e-3)


def test_commands_are_kept_apart_by_csht() -> None:
    times = []
    for csht in (0, 7):
        c = Controller(JV_IQ)
        c.w(DCR, 23 << 16 | csht << 8)
        c.command(0x06)
        start = c.clock.now_ps
        c.command(0x06)
        times.append(c.clock.now_ps - start)
    assert times[1] - times[0] == pytest.approx(7 * CLOCK, rel=1e-3)


def test_the_last_bytes_before_fsize_come_from_the_prefetch() -> None:
    c = mapped(command=MAP_SLOW)
    c.q.window_read(0xFFFFE0, 4)
    c.wait(1000 * US)
    assert c.sr & BUSY, "near the end too it stays busy until an abort"
    before = c.clock.now_ps
    assert c.q.window_bytes(0xFFFFE4, 28) == c.chip.array[0xFFFFE4:]
    assert c.clock.now_ps == before


def test_while_mapped_nothing_changes_by_itself() -> None:
    c = mapped()
    c.q.window_read(0, 4)
    assert c.q.next_change_ps() is None


def test_looking_at_the_registers_changes_nothing() -> None:
    """The FIFO is computed when it is looked at: however often that is, data and times are the same."""
    content = bytes(n * 29 + 3 & 0xFF for n in range(512))
    results = []
    for seed in range(8):
        look = random.Random(seed)
        c = Controller(JV_IQ)
        c.chip.array[:512] = content

        def pause(ps: int, look: random.Random = look, seed: int = seed, c: Controller = c) -> None:
            end = c.clock.now_ps + ps
            while seed and c.clock.now_ps < end:
                c.clock.advance_to(min(end, c.clock.now_ps + look.randrange(1, ps)))
                _ = c.sr, c.q.next_change_ps(), c.q.irq()
            c.clock.advance_to(end)

        c.w(DLR, 511)
        c.w(CCR, ccr(0x6B, READ, lines=(1, 1, 4), dummies=8))
        c.w(AR, 0)
        data = b""
        for n in range(128):
            data += c.r(DR).to_bytes(4, "little")
            pause(20_000 + 7_919 * n)
        assert data == content
        c.abort()
        c.command(0x06)
        c.w(DLR, 255)
        c.w(CCR, ccr(0x02, lines=(1, 1, 1)))
        c.w(AR, 0x10000)
        for n in range(64):
            c.w(DR, n * 0x01010101)
            pause(1_000 + 40_000 * n)
        c.until(TCF)
        results.append((c.clock.now_ps, bytes(c.chip.array[0x10000:0x10100])))
    assert len(set(results)) == 1
