"""Registers, start rules, FIFO and flags of the controller (stm32-quadspi.md sections 2 to 5)."""

from __future__ import annotations

import pytest

from boardflash.sim.quadspi import QuadSpi
from boardflash.sim.target import VirtualClock
from sim_nor.nor_bench import (
    ABORT,
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
    FTF,
    LPTR,
    PIR,
    PSMAR,
    PSMKR,
    READ,
    SR,
    TCF,
    TEF,
    US,
    Controller,
    ccr,
)

ID_READ = ccr(0x9F, READ, lines=(1, 0, 1))
SLOW_READ = ccr(0x03, READ, lines=(1, 1, 1))
PAGE_PROGRAM = ccr(0x02, lines=(1, 1, 1))
STATUS_READ = ccr(0x05, READ, lines=(1, 0, 1))
CLOCK = 18519  # ps at 54 MHz


def test_all_registers_are_zero_after_reset() -> None:
    q = QuadSpi(VirtualClock(), lambda: 216_000_000, [])
    assert [q.read(offset, 4) for offset in range(0, 0x34, 4)] == [0] * 13


def test_registers_keep_their_writable_bits() -> None:
    c = Controller()
    for register, mask in ((DCR, 0x1F0701), (DLR, 0xFFFFFFFF), (ABR, 0xFFFFFFFF), (PSMKR, 0xFFFFFFFF)):
        c.w(register, 0xFFFFFFFF)
        assert c.r(register) == mask
    for register in (PIR, LPTR):
        c.w(register, 0xFFFFFFFF)
        assert c.r(register) == 0xFFFF


def test_byte_accesses_reach_their_lane() -> None:
    c = Controller()
    c.w(PSMAR, 0x11223344)
    c.w(PSMAR + 2, 0xAA, 1)
    assert c.r(PSMAR) == 0x11AA3344
    assert c.r(PSMAR + 2, 2) == 0x11AA


def test_a_disabled_controller_starts_nothing() -> None:
    c = Controller()
    c.w(CR, 3 << 24)
    c.w(CCR, ccr(0x06))
    c.wait(10 * US)
    assert c.sr == 0
    c.w(CR, 3 << 24 | EN)
    assert c.status() == 0x00


def test_instruction_alone_starts_on_the_ccr_write() -> None:
    c = Controller()
    c.w(CCR, ccr(0x06))
    assert c.sr & BUSY
    c.wait(8 * CLOCK)
    assert c.sr & (BUSY | TCF) == TCF
    assert c.status() == 0x02


def test_instruction_and_address_start_on_the_address_write() -> None:
    c = Controller()
    c.command(0x06)
    c.w(CCR, ccr(0x20, lines=(1, 1, 0)))
    c.wait(10 * US)
    assert not c.sr & BUSY
    c.w(AR, 0)
    assert c.sr & BUSY
    c.until(TCF)
    assert c.status() == 0x03


def test_an_erase_may_be_sent_as_a_read_without_data() -> None:
    """ST's loader writes CCR 040025D8h."""
    c = Controller()
    c.command(0x06)
    c.w(CCR, 0x040025D8)
    c.w(AR, 0x10000)
    c.until(TCF)
    assert c.status() == 0x03


def test_a_read_without_address_starts_on_the_ccr_write() -> None:
    c = Controller()
    c.w(DLR, 2)
    c.w(CCR, ID_READ)
    assert c.sr & BUSY
    assert [c.r(DR, 1) for _ in range(3)] == [0xEF, 0x40, 0x18]


def test_a_read_with_address_starts_on_the_address_write() -> None:
    c = Controller()
    c.chip.array[0x100] = 0x42
    c.w(DLR, 0)
    c.w(CCR, SLOW_READ)
    assert not c.sr & BUSY
    c.w(AR, 0x100)
    assert c.sr & BUSY
    assert c.r(DR, 1) == 0x42


def test_an_indirect_write_waits_for_its_first_data() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 0)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0x200)
    c.wait(10 * US)
    assert not c.sr & BUSY
    assert c.sr & FTF, "room in the FIFO"
    c.w(DR, 0x5A, 1)
    assert c.sr & BUSY
    c.until(TCF)
    c.ready()
    assert c.chip.array[0x200] == 0x5A


def test_the_address_may_be_written_before_ccr() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 0)
    c.w(AR, 0x300)
    c.w(CCR, PAGE_PROGRAM)
    c.w(DR, 0xA5, 1)
    c.until(TCF)
    c.ready()
    assert c.chip.array[0x300] == 0xA5


def test_hal_order_of_a_read() -> None:
    """FMODE = 0 with data and address first, which starts nothing; then FMODE = 1 and the address again."""
    c = Controller()
    c.chip.array[0x40:0x44] = b"\x01\x02\x03\x04"
    c.w(DLR, 3)
    c.w(CCR, ccr(0x03, lines=(1, 1, 1)))
    c.w(AR, 0x40)
    c.wait(10 * US)
    assert not c.sr & BUSY
    c.w(CCR, SLOW_READ)
    c.w(AR, c.r(AR))
    assert c.r(DR) == 0x04030201


def test_alternate_bytes_start_nothing() -> None:
    c = Controller()
    c.w(CCR, ccr(0xEB, READ, lines=(1, 4, 4), alternate=(4, 1), dummies=4))
    c.w(ABR, 0xFF)
    assert not c.sr & BUSY


def test_locked_registers_ignore_writes_while_busy() -> None:
    c = Controller(fsize=23)
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    before = {r: c.r(r) for r in (DCR, DLR, CCR, AR, ABR, PSMKR, PSMAR, PIR, LPTR)}
    for register in before:
        c.w(register, 0x00010101)
    assert {r: c.r(r) for r in before} == before
    c.w(CR, 0xFF << 24 | 1 << 19 | 7 << 8 | EN)
    assert c.r(CR) == 3 << 24 | 1 << 19 | 7 << 8 | EN, "PRESCALER is locked, SMIE and FTHRES are not"


def test_a_command_written_while_busy_is_lost() -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, ID_READ)
    c.w(CCR, ccr(0x06))
    c.abort()
    assert c.status() == 0x00


def test_busy_stays_until_the_fifo_is_drained() -> None:
    c = Controller()
    c.w(DLR, 3)
    c.w(CCR, ID_READ)
    c.wait(100 * US)
    assert c.sr & (BUSY | TCF) == BUSY | TCF
    c.r(DR)
    assert not c.sr & BUSY


def test_fifo_level_rises_with_the_clock_and_stops_when_full() -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    start = c.clock.now_ps
    for received in (0, 1, 2, 31, 32):
        c.clock.advance_to(start + (32 + 8 * received) * CLOCK)
        assert c.flevel == received
    c.wait(100 * US)
    assert c.flevel == 32
    assert not c.sr & TCF
    assert c.q.next_change_ps() is None, "the clock rests until the FIFO is read"
    c.r(DR)
    assert c.flevel == 28
    c.wait(4 * 8 * CLOCK)
    assert c.flevel == 32


@pytest.mark.parametrize("threshold", [1, 4, 16])
def test_ftf_of_a_read_is_set_at_the_threshold(threshold: int) -> None:
    c = Controller()
    c.w(CR, 3 << 24 | threshold - 1 << 8 | EN)
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.until(FTF)
    assert c.flevel == threshold


def test_a_threshold_is_at_most_16_bytes() -> None:
    """Bit 4 of FTHRES cannot be set, whatever the FIFO holds (ST, community.st.com td-p/827958)."""
    c = Controller()
    c.w(CR, 3 << 24 | 31 << 8 | EN)
    assert c.r(CR) == 3 << 24 | 15 << 8 | EN
    assert c.sr & FTF, "an empty FIFO in write mode: loaders that write 1Fh rely on it"
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.until(FTF)
    assert c.flevel == 16


def test_ftf_is_set_for_the_rest_when_the_read_is_complete() -> None:
    c = Controller()
    c.w(CR, 3 << 24 | 15 << 8 | EN)
    c.w(DLR, 2)
    c.w(CCR, ID_READ)
    c.wait(100 * US)
    assert c.sr & FTF
    for _ in range(3):
        c.r(DR, 1)
    assert not c.sr & FTF


def test_ftf_of_a_write_counts_free_bytes() -> None:
    c = Controller()
    c.w(CR, 3 << 24 | 11 << 8 | EN)
    c.command(0x06)
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    for _ in range(5):
        c.w(DR, 0)
    assert c.sr & FTF, "12 bytes are free"
    c.w(DR, 0, 1)
    assert not c.sr & FTF
    assert c.flevel == 21


def test_a_write_to_a_full_fifo_waits_for_room() -> None:
    c = Controller()
    c.command(0x06)
    c.wait(US)
    c.w(DLR, 63)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    start = c.clock.now_ps
    for _ in range(8):
        c.w(DR, 0)
    assert c.clock.now_ps == start
    c.w(DR, 0)
    assert c.clock.now_ps - start == pytest.approx((32 + 4 * 8) * CLOCK, rel=1e-4)


def test_dr_reads_wait_for_their_data() -> None:
    c = Controller()
    c.w(DLR, 3)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    start = c.clock.now_ps
    c.r(DR, 2)
    assert c.clock.now_ps - start == pytest.approx((32 + 2 * 8) * CLOCK, rel=1e-4)
    c.r(DR, 2)
    assert c.clock.now_ps - start == pytest.approx((32 + 4 * 8) * CLOCK, rel=1e-4)


def test_dr_beyond_the_transfer_returns_without_hanging() -> None:
    c = Controller()
    c.w(DLR, 0)
    c.w(CCR, ID_READ)
    assert c.r(DR) & 0xFF == 0xEF
    c.r(DR)
    assert not c.sr & BUSY


def test_dr_writes_in_read_mode_are_ignored() -> None:
    c = Controller()
    c.w(CCR, SLOW_READ)
    c.w(DR, 0x1234)
    assert not c.sr & BUSY


def test_flags_are_cleared_by_fcr_and_nothing_else() -> None:
    c = Controller()
    c.w(CCR, ccr(0x06))
    c.until(TCF)
    c.w(SR, 0)
    assert c.sr & TCF
    c.w(FCR, TEF)
    assert c.sr & TCF
    c.w(FCR, TCF)
    assert not c.sr & TCF


@pytest.mark.parametrize(("address", "length"), [(1 << 24, 1), (0xFFFFFF, 2), (0x1800000, 16)])
def test_an_address_beyond_fsize_sets_tef_and_sends_nothing(address: int, length: int) -> None:
    c = Controller()
    c.w(DLR, length - 1)
    c.w(CCR, SLOW_READ)
    c.w(AR, address)
    assert c.sr & (TEF | BUSY) == TEF
    c.w(FCR, TEF)
    assert not c.sr & TEF
    assert c.read(SLOW_READ, 1, 0xFFFFFF) == b"\xff"


def test_dlr_of_all_ones_reads_to_the_end_of_memory() -> None:
    c = Controller(fsize=9)  # 1 KiB
    c.w(DLR, 0xFFFFFFFF)
    c.w(CCR, SLOW_READ)
    c.w(AR, 1000)
    for _ in range(24):
        c.r(DR, 1)
    assert c.sr & TCF


def test_abort_empties_the_fifo_clears_busy_and_sets_tcf() -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.wait(10 * US)
    c.w(CR, c.r(CR) | ABORT)
    assert c.sr == TCF
    assert not c.r(CR) & ABORT
    assert c.status() == 0x00


def test_abort_of_an_idle_controller_is_harmless() -> None:
    c = Controller()
    c.w(CR, c.r(CR) | ABORT)
    assert c.sr & (BUSY | TCF) == TCF


def test_abort_inside_a_byte_drops_the_program() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    for _ in range(4):
        c.w(DR, 0)
    c.wait((32 + 4 * 8 + 3) * CLOCK)
    c.abort()
    assert c.status() == 0x02
    assert c.chip.next_change_ps() is None


def test_abort_at_the_end_of_a_byte_programs_what_went_out() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    c.w(DR, 0)
    c.wait(100 * US)
    assert c.sr & BUSY, "nCS stays low, the clock rests"
    c.abort()
    c.ready()
    assert c.chip.array[:6] == b"\0\0\0\0\xff\xff"


@pytest.mark.parametrize("direction", ["read", "write"])
def test_f74x_stays_busy_after_more_than_a_word_until_an_abort(direction: str) -> None:
    """HAL QSPI1_V1_0 aborts after each transfer; other dies do not need it. ST's own external loader of this
    die waits for BUSY = 0 after writes: these are free unless the board is told to be worse."""
    for stays, stuck in (("always", True), ("reads", direction == "read"), ("never", False)):
        c = Controller(busy_stays=stays)
        c.w(DLR, 7)
        if direction == "read":
            c.w(CCR, ID_READ)
            c.r(DR)
            c.r(DR)
        else:
            c.command(0x06)
            c.w(CCR, PAGE_PROGRAM)
            c.w(AR, 0)
            c.w(DR, 0)
            c.w(DR, 0)
        c.until(TCF)
        c.wait(1000 * US)
        assert bool(c.sr & BUSY) is stuck
        c.abort()
        assert not c.sr & BUSY


def test_the_same_die_frees_itself_after_a_status_read() -> None:
    """Stock OpenOCD waits for BUSY = 0 after a one-byte status read without an abort."""
    c = Controller()
    c.w(DLR, 0)
    c.w(CCR, STATUS_READ)
    c.r(DR, 1)
    assert not c.sr & BUSY


def test_sioo_sends_the_instruction_once() -> None:
    """Only right together with continuous read: Winbond, mode byte 20h."""
    c = Controller()
    c.chip.array[0x100:0x104] = b"\x11\x22\x33\x44"
    command = ccr(0xEB, READ, lines=(1, 4, 4), alternate=(4, 1), dummies=4, instruction_once=True)
    c.w(ABR, 0x20)
    c.w(DLR, 3)
    c.w(CCR, command)
    for _ in range(3):
        c.w(AR, 0x100)
        assert c.r(DR) == 0x44332211
    c.w(CCR, ccr(0x06))
    assert c.r(CCR) == ccr(0x06)


def test_interrupts_follow_their_flags() -> None:
    c = Controller()
    assert not c.q.irq()
    c.w(CR, 3 << 24 | 1 << 17 | EN)
    c.w(CCR, ccr(0x06))
    assert not c.q.irq()
    c.until(TCF)
    assert c.q.irq()
    c.w(FCR, TCF)
    assert not c.q.irq()
    c.w(CR, 3 << 24 | 1 << 18 | EN)
    assert c.q.irq(), "FTIE with an empty FIFO in write mode"


def test_reset_raises_ncs_and_clears_everything() -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.q.reset()
    assert [c.r(offset) for offset in range(0, 0x34, 4)] == [0] * 13


@pytest.mark.parametrize("bank", [1, 2])
def test_fsel_selects_the_bank(bank: int) -> None:
    c = Controller(bank=bank)
    for fsel in (0, 1):
        c.w(CR, 3 << 24 | fsel << 7 | EN)
        assert c.read(ID_READ, 3) == (b"\xef\x40\x18" if fsel == bank - 1 else b"\xff\xff\xff")


def test_purity_of_reads() -> None:
    c = Controller()
    assert all(c.q.read_is_pure(r) for r in (CR, DCR, SR, DLR, CCR, AR))
    assert not c.q.read_is_pure(DR)
