"""Rules at the edges of the register description (stm32-quadspi.md sections 2 to 4)."""

from __future__ import annotations

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
    FTF,
    MAPPED,
    PIR,
    POLL,
    PSMAR,
    PSMKR,
    READ,
    SMF,
    TCF,
    TEF,
    US,
    Controller,
    ccr,
)

SLOW_READ = ccr(0x03, READ, lines=(1, 1, 1))
PAGE_PROGRAM = ccr(0x02, lines=(1, 1, 1))
ID_READ = ccr(0x9F, READ, lines=(1, 0, 1))
STATUS_POLL = ccr(0x05, POLL, lines=(1, 0, 1))
CLOCK = 18519  # ps at 54 MHz
SSHIFT, TCEN, DFM, FSEL, APMS, PMM, PRESCALER = 1 << 4, 1 << 3, 1 << 6, 1 << 7, 1 << 22, 1 << 23, 1 << 31
TEIE, SMIE = 1 << 16, 1 << 19


@pytest.mark.parametrize("bit", [SSHIFT, TCEN, DFM, FSEL, APMS, PMM, PRESCALER])
def test_fields_of_cr_that_are_locked_while_busy(bit: int) -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    idle = c.r(CR)
    c.w(CR, idle | bit)
    assert c.r(CR) == idle
    c.abort()
    c.w(CR, idle | bit)
    assert c.r(CR) == idle | bit


@pytest.mark.parametrize("bit", [TEIE, SMIE])
def test_interrupts_may_be_enabled_while_busy(bit: int) -> None:
    c = Controller()
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.w(CR, c.r(CR) | bit)
    assert c.r(CR) & bit


def test_bit_29_of_ccr_is_reserved() -> None:
    c = Controller()
    c.w(CCR, 0xFFFF_FFFF)
    assert c.r(CCR) == 0xDFFF_FFFF


@pytest.mark.parametrize("what", ["dual flash", "double data rate"])
def test_what_is_not_simulated_is_not_sent(what: str) -> None:
    c = Controller()
    if what == "dual flash":
        c.w(CR, c.r(CR) | DFM)
    c.w(CCR, ccr(0x06) | (1 << 31 if what == "double data rate" else 0))
    c.wait(10 * US)
    assert not c.sr & (BUSY | TCF)


def test_a_word_frees_itself_and_five_bytes_do_not() -> None:
    """What the F74x's erratum leaves is an inference (quadspi_unit.py): one more word in the FIFO."""
    for length, stuck in ((4, False), (5, True)):
        c = Controller()
        c.w(DLR, length - 1)
        c.w(CCR, ID_READ)
        for _ in range(length):
            c.r(DR, 1)
        assert bool(c.sr & BUSY) is stuck
        assert c.flevel == (4 if stuck else 0)
        c.r(DR, 2)
        assert c.flevel == (2 if stuck else 0)
        c.r(DR, 2)
        assert c.flevel == 0
        assert bool(c.sr & BUSY) is stuck


def test_the_erratum_of_the_address_needs_no_abort_to_show() -> None:
    c = Controller()
    c.chip.array[:256] = bytes(range(256))
    for address, right in ((0x43, False), (0x44, True)):
        c.w(DLR, 3)
        c.w(CCR, SLOW_READ)
        c.w(AR, address)
        c.r(DR)
        assert not c.sr & BUSY
        c.w(CCR, ccr(0x03, MAPPED, lines=(1, 1, 1)))
        assert (c.q.window_read(0x10, 4) == 0x13121110) is right
        c.abort()


def test_an_erase_at_the_end_of_memory_sets_tef() -> None:
    c = Controller()
    c.command(0x06)
    c.w(CCR, ccr(0x20, lines=(1, 1, 0)))
    c.w(AR, 1 << 24)
    assert c.sr & (TEF | BUSY) == TEF
    assert c.status() == 0x02


def test_fsize_does_not_limit_a_read_without_an_address() -> None:
    c = Controller(fsize=0)  # two bytes
    assert c.read(ID_READ, 3) == b"\xef\x40\x18"


@pytest.mark.parametrize(
    ("cr", "command"),
    [
        pytest.param(DFM, ccr(0x03, MAPPED, lines=(1, 1, 1)), id="dual flash"),
        pytest.param(0, ccr(0x03, MAPPED, lines=(1, 1, 1)) | 1 << 31, id="double data rate"),
        pytest.param(0, ccr(0x03, MAPPED, lines=(1, 1, 0)), id="no data"),
    ],
)
def test_the_window_has_nothing_to_read_by_a_command_that_is_not_simulated(cr: int, command: int) -> None:
    c = Controller()
    c.w(CR, c.r(CR) | cr)
    c.w(CCR, command)
    with pytest.raises(BusFault, match="not simulated"):
        c.q.window_read(0, 4)


def test_fsize_of_1fh_has_no_end() -> None:
    c = Controller(fsize=31)
    c.w(DLR, 1)
    c.w(CCR, ccr(0x13, READ, lines=(1, 1, 1), address_bytes=4))
    c.w(AR, 0xFFFF_FFFF)
    assert c.sr & (TEF | BUSY) == BUSY


def poll(
    c: Controller, interval: int, mask: int, match: int, length: int = 1, command: int = STATUS_POLL
) -> None:
    c.w(CR, c.r(CR) | APMS)
    c.w(PSMKR, mask)
    c.w(PSMAR, match)
    c.w(PIR, interval)
    c.w(DLR, length - 1)
    c.w(CCR, command)


@pytest.mark.parametrize(("interval", "csht", "gap"), [(100, 2, 100), (0, 8, 8), (3, 8, 8), (8, 2, 8)])
def test_polls_are_apart_by_their_interval_and_no_less_than_csht(interval: int, csht: int, gap: int) -> None:
    c = Controller()
    c.w(DCR, 23 << 16 | csht - 1 << 8)
    poll(c, interval, mask=0x80, match=0x80)
    c.until(FTF)
    first = c.clock.now_ps
    c.r(DR)
    c.until(FTF)
    assert c.clock.now_ps - first == pytest.approx((16 + gap) * CLOCK, rel=1e-4)


def test_the_second_status_byte_is_compared_too() -> None:
    for mask, length, matches in ((0x0200, 1, False), (0x0200, 2, True), (0x0200_0000, 4, True)):
        c = Controller()
        c.command(0x06)
        poll(c, 0, mask, mask, length)
        c.wait(100 * US)
        assert bool(c.sr & SMF) is matches


@pytest.mark.parametrize(("match", "matches"), [(0x1840EF, True), (0xEF4018, False)])
def test_the_first_byte_of_a_status_is_the_lowest(match: int, matches: bool) -> None:
    c = Controller()
    poll(c, 0, 0xFFFFFF, match, 3, ccr(0x9F, POLL, lines=(1, 0, 1)))
    c.wait(100 * US)
    assert bool(c.sr & SMF) is matches


@pytest.mark.parametrize("once", [False, True])
def test_sioo_sends_the_instruction_of_the_first_poll_only(once: bool) -> None:
    c = Controller()
    c.erase(0x20, 0)
    poll(c, 100, 1, 0, 1, ccr(0x05, POLL, lines=(1, 0, 1), instruction_once=once))
    c.wait(10**12)
    assert bool(c.sr & SMF) is not once, "without its instruction the chip answers nothing"


def test_the_last_status_stays_in_dr_behind_the_next_command() -> None:
    c = Controller()
    c.command(0x06)
    poll(c, 0, mask=2, match=2)
    c.until(SMF)
    c.w(CCR, PAGE_PROGRAM)
    assert c.r(DR, 1) == 0x02


def test_a_reset_of_the_peripheral_raises_ncs() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    c.w(DR, 0)
    c.wait(100 * US)
    assert c.chip.next_change_ps() is None
    c.q.reset()
    assert c.chip.next_change_ps() is not None, "the chip programs what it has got"


def test_the_late_flag_of_an_abort_shows_in_the_middle_of_a_page() -> None:
    c = Controller(late_abort=True)
    c.command(0x06)
    c.w(DLR, 99)
    c.w(CCR, SLOW_READ)
    c.w(AR, 0)
    c.abort()
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    for _ in range(8):
        c.w(DR, 0)
    assert c.sr & (BUSY | TCF) == BUSY
    c.wait(US)
    assert c.sr & (BUSY | TCF) == BUSY | TCF
    c.w(FCR, TCF)
    assert c.sr & (BUSY | TCF) == BUSY
    assert c.r(CR) & EN


def test_a_command_starts_on_a_write_to_its_instruction_byte_only() -> None:
    """INSTRUCTION[7:0] is what starts it (memory of RM0385 14.3.5)."""
    c = Controller()
    c.command(0x06)
    c.w(CCR + 2, 0, 2)
    assert not c.sr & BUSY
    c.w(CCR + 1, 0x01, 1)
    assert not c.sr & BUSY
    c.w(CCR, 0x04, 1)
    assert c.sr & BUSY
    c.until(TCF)
    assert c.status() == 0x00, "write disable"


def test_sioo_sends_the_instruction_again_after_each_write_to_ccr() -> None:
    c = Controller()
    for opcode, answer in ((0x9F, 0xEF), (0x05, 0x00)):
        c.w(DLR, 0)
        c.w(CCR, ccr(opcode, READ, lines=(1, 0, 1), instruction_once=True))
        assert c.r(DR, 1) == answer


def test_a_controller_that_stays_busy_takes_no_data_for_another_write() -> None:
    c = Controller(busy_stays="always")
    c.command(0x06)
    c.w(DLR, 7)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    c.w(DR, 0)
    c.w(DR, 0)
    c.until(TCF)
    c.w(FCR, TCF)
    c.w(DR, 0)
    c.wait(100 * US)
    assert c.sr & (BUSY | TCF) == BUSY
    assert c.flevel == 0


def test_a_write_without_address_waits_for_its_first_data() -> None:
    c = Controller()
    c.command(0x06)
    c.w(DLR, 0)
    c.w(CCR, ccr(0x31, lines=(1, 0, 1)))
    c.wait(10 * US)
    assert not c.sr & BUSY
    c.w(DR, 0, 1)
    assert c.sr & BUSY
    c.until(TCF)
    c.ready()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(0, id="no phase at all"),
        pytest.param(ccr(0x05, POLL, lines=(1, 0, 0)), id="polling without data"),
        pytest.param(ccr(0x05, POLL, lines=(1, 1, 0)), id="polling without data, with an address"),
    ],
)
def test_what_makes_no_command_starts_none(command: int) -> None:
    """Polling with DMODE = 00 is forbidden; CCR = 0 has nothing to send."""
    c = Controller()
    c.w(CCR, command)
    c.w(AR, 0)
    c.wait(10 * US)
    assert not c.sr & (BUSY | TCF | SMF)


def test_clearing_en_ends_the_transfer() -> None:
    """What comes of it on silicon is not written: the simulation lets nCS rise, and says no TCF."""
    c = Controller()
    c.command(0x06)
    c.w(DLR, 255)
    c.w(CCR, PAGE_PROGRAM)
    c.w(AR, 0)
    c.w(DR, 0)
    c.wait(100 * US)
    cr = c.r(CR)
    c.w(CR, cr & ~EN)
    assert c.sr == 0
    c.w(CR, cr)
    assert c.sr & (BUSY | TCF) == 0
    assert c.flevel == 0
    c.ready()
    assert c.chip.array[:5] == b"\0\0\0\0\xff"


@pytest.mark.parametrize(("size", "value"), [(2, 0x8001), (3, 0x123480)])
def test_alternate_bytes_are_as_many_as_absize_says(size: int, value: int) -> None:
    """03h takes three bytes of address, from wherever they come: here the last ones are alternate bytes."""
    c = Controller()
    c.chip.array[:] = bytes(range(256)) * (1 << 16)
    c.w(ABR, value)
    address_lines = 1 if size < 3 else 0
    command = ccr(0x03, lines=(1, address_lines, 1), address_bytes=1, alternate=(1, size))
    assert c.read(command, 1, 0x12 if address_lines else None) == bytes([value & 0xFF])


@pytest.mark.parametrize(("clocks", "heard"), [(7, False), (8, True)])
def test_an_abort_inside_the_instruction_cuts_it(clocks: int, heard: bool) -> None:
    c = Controller()
    c.w(CCR, ccr(0x06))
    c.wait(clocks * CLOCK)
    c.abort()
    assert c.status() == (0x02 if heard else 0x00)
