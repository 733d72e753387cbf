"""Errata of the F74x's controller, and what hardware forbids without reporting it.

ES0290 2.4; ES0321 and ES0298 have the same five items (stm32-families.md section 8).
"""

from __future__ import annotations

import pytest

from boardflash.sim.target import BusFault
from sim_nor.nor_bench import (
    ABORT,
    AR,
    BUSY,
    CCR,
    CR,
    DLR,
    DR,
    EN,
    FCR,
    MAPPED,
    READ,
    TCEN,
    TCF,
    US,
    Controller,
    ccr,
)

SLOW_READ = ccr(0x03, READ, lines=(1, 1, 1))
PAGE_PROGRAM = ccr(0x02, lines=(1, 1, 1))
STATUS_READ = ccr(0x05, READ, lines=(1, 0, 1))
MAP = ccr(0x03, MAPPED, lines=(1, 1, 1))


def loaded(**more: object) -> Controller:
    c = Controller(**more)  # type: ignore[arg-type]
    c.chip.array[:256] = bytes(range(256))
    return c


class TestWrongDataAfterAnIndirectOperation:
    """2.4.3: AR[1:0] not 0 on entry to memory-mapped mode. Remedy of the sheet: AR = 0, ABORT."""

    @pytest.mark.parametrize("low", [1, 2, 3])
    def test_the_first_mapped_read_is_wrong_and_later_ones_are_right(self, low: int) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x40 + low)
        c.w(CCR, MAP)
        wrong = c.q.window_read(0x10, 4)
        assert wrong != 0x13121110
        assert wrong == int.from_bytes(bytes(range(0x10 + low, 0x14 + low)), "little"), "our inference"
        assert c.q.window_read(0x20, 4) == 0x23222120

    def test_an_aligned_operation_does_no_harm(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        c.read(SLOW_READ, 7, 0x44)
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) == 0x13121110

    def test_a_command_without_an_address_heals_nothing(self) -> None:
        c = loaded()
        c.program(PAGE_PROGRAM, b"\0", 0x1001)
        c.read(STATUS_READ, 1)
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) != 0x13121110

    def test_an_abort_alone_does_not_heal_it(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        c.abort()
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) != 0x13121110

    def test_neither_does_the_address_without_the_abort(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        c.w(CCR, PAGE_PROGRAM)
        c.w(AR, 0)
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) != 0x13121110

    def test_address_and_abort_do(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        c.w(AR, 0)
        assert c.sr & BUSY, "under the command of a read it starts another"
        c.abort()
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) == 0x13121110

    def test_so_they_do_under_a_write_that_waits_for_its_data(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        c.w(CCR, PAGE_PROGRAM)
        c.w(AR, 0)
        assert not c.sr & BUSY
        c.abort()
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) == 0x13121110

    def test_an_address_written_while_busy_is_ignored_and_does_not(self) -> None:
        c = loaded()
        c.w(DLR, 99)
        c.w(CCR, SLOW_READ)
        c.w(AR, 3)
        c.w(AR, 0)
        c.abort()
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) != 0x13121110

    def test_a_reset_of_the_peripheral_does(self) -> None:
        c = loaded()
        c.read(SLOW_READ, 8, 0x43)
        dcr = c.r(4)
        c.q.reset()
        c.w(4, dcr)
        c.w(CR, 3 << 24 | EN)
        c.w(CCR, MAP)
        assert c.q.window_read(0x10, 4) == 0x13121110


class TestTheWindowInIndirectMode:
    """2.4.5: an access to the window in indirect mode clears AR."""

    def test_an_armed_page_program_goes_to_address_0(self) -> None:
        c = Controller()
        c.command(0x06)
        c.w(DLR, 0)
        c.w(CCR, PAGE_PROGRAM)
        c.w(AR, 0x1000)
        with pytest.raises(BusFault):
            c.q.window_read(0, 4)
        assert c.r(AR) == 0
        c.w(DR, 0, 1)
        c.until(TCF)
        c.ready()
        assert (c.chip.array[0], c.chip.array[0x1000]) == (0, 0xFF)

    def test_a_read_under_way_goes_on(self) -> None:
        c = loaded()
        c.w(DLR, 3)
        c.w(CCR, SLOW_READ)
        c.w(AR, 0x10)
        with pytest.raises(BusFault):
            c.q.window_read(0, 4)
        assert c.r(DR) == 0x13121110

    def test_a_disabled_controller_keeps_its_address(self) -> None:
        c = Controller()
        c.w(AR, 0x1234)
        c.w(CR, 0)
        with pytest.raises(BusFault, match="not enabled"):
            c.q.window_read(0, 4)
        assert c.r(AR) == 0x1234


@pytest.mark.parametrize(("lines", "opcode"), [(1, 0x02), (4, 0x32)])
def test_the_first_nibble_behind_dummy_clocks_is_lost(lines: int, opcode: int) -> None:
    """2.4.2. The chip's command has no dummy clocks: it takes them for two bytes of data."""
    clocks = 2 * 8 // lines
    c = Controller()
    data = b"\x12\x34\x56"
    c.program(ccr(opcode, lines=(1, 1, lines), dummies=clocks), data, 0)
    assert c.chip.array[:6] == b"\xff\xff\xf2\x34\x56\xff"


def test_ar_follows_the_bus_in_memory_mapped_mode() -> None:
    """Measured on an F469: AR is 0 once mapped, then the address that the bus fetched last."""
    c = loaded()
    c.w(CCR, MAP)
    assert c.r(AR) == 0
    c.q.window_read(0x40, 4)
    assert c.r(AR) == 0x40
    c.q.window_read(0x83, 1)
    assert c.r(AR) == 0x80
    c.abort()
    c.w(CCR, MAP)
    assert c.q.window_read(0x10, 4) == 0x13121110, "the erratum is one of indirect operations"


class TestAbort:
    def test_its_flag_may_come_after_busy_has_fallen(self) -> None:
        c = Controller(late_abort=True)
        c.w(DLR, 99)
        c.w(CCR, SLOW_READ)
        c.w(AR, 0)
        c.w(CR, c.r(CR) | ABORT)
        c.w(FCR, TCF)
        assert not c.sr & (BUSY | TCF)
        change = c.q.next_change_ps()
        assert change == c.clock.now_ps + US
        c.clock.advance_to(change - 1)
        assert not c.sr & TCF
        c.wait(1)
        assert c.sr & TCF, "clearing the flag before has not kept it away"
        c.w(FCR, TCF)
        c.wait(10 * US)
        assert not c.sr & TCF
        assert c.q.next_change_ps() is None

    def test_an_idle_controller_raises_it_at_once(self) -> None:
        c = Controller(late_abort=True)
        c.w(CR, c.r(CR) | ABORT)
        assert c.sr & TCF

    def test_while_disabled_it_is_a_violation(self) -> None:
        """The manual does not say what comes of it: HAL, OpenOCD and Linux all abort with EN = 1."""
        c = Controller()
        c.abort()
        assert c.violations == []
        c.w(CR, 0)
        c.w(CR, ABORT)
        assert c.violations == ["quadspi_abort"]
        assert not c.sr & TCF


def test_mapped_reads_with_the_timeout_counter_are_a_violation() -> None:
    """2.4.4: they may fail, and one user's board hung (OpenOCD ticket 234)."""
    c = loaded()
    c.w(CCR, MAP)
    c.q.window_read(0, 4)
    assert c.violations == []
    c.abort()
    c.w(CR, c.r(CR) | TCEN)
    c.q.window_read(0, 4)
    assert c.violations == ["quadspi_timeout"]


@pytest.mark.parametrize(("prescaler", "wrong"), [(0, True), (1, False)])
def test_a_clock_above_108_mhz_is_a_violation(prescaler: int, wrong: bool) -> None:
    c = Controller(prescaler=prescaler)  # of 216 MHz
    assert c.violations == []
    c.command(0x06)
    assert c.violations == (["quadspi_clock"] if wrong else [])
