"""Suspend and resume, and work that is cut off (nor-behaviour.md sections 2, 4 and 7)."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, US, Pins, on_four_lines, on_one_line

BOTH = pytest.mark.parametrize("name", [N25Q, JV_IQ])


def suspended(name: str) -> Pins:
    """A chip whose erase of the first 4 KiB has come to a stop."""
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x75")
    pins.finish()
    return pins


@BOTH
def test_a_suspended_erase_shows_neither_busy_nor_write_enable(name: str) -> None:
    pins = suspended(name)
    assert pins.status & 1 == 0
    pins.spi(b"\x7a")
    assert pins.status == 0x03, "WIP and WEL, as before"


@BOTH
def test_suspending_takes_its_time(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x75")
    pins.wait(20 * US - 1)
    assert pins.status & 1
    pins.wait(1)
    assert pins.status & 1 == 0


@BOTH
def test_resume_is_ignored_until_the_chip_has_stopped(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x75")
    pins.spi(b"\x7a")
    pins.finish()
    assert pins.idle, "still suspended"
    pins.spi(b"\x7a")
    assert not pins.idle


@BOTH
def test_nothing_is_erased_while_an_erase_is_suspended(name: str) -> None:
    pins = suspended(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 010000"))
    assert pins.idle


@BOTH
def test_a_page_is_programmed_while_an_erase_is_suspended(name: str) -> None:
    pins = suspended(name)
    pins.write(bytes.fromhex("02 010000 5A"))
    assert pins.chip.array[0x10000] == 0x5A
    pins.spi(b"\x7a")
    pins.finish()
    assert pins.chip.stats.erases == {4096: 1}


@BOTH
def test_a_second_suspend_is_ignored(name: str) -> None:
    pins = suspended(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("02 010000 5A"))
    end = pins.chip.next_change_ps()
    pins.spi(b"\x75")
    assert pins.chip.next_change_ps() == end, "the program goes on"


@BOTH
@pytest.mark.parametrize("command", ["C7", "01 00"])
def test_chip_erase_and_register_writes_cannot_be_suspended(name: str, command: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(command))
    end = pins.chip.next_change_ps()
    pins.spi(b"\x75")
    assert pins.chip.next_change_ps() == end


@BOTH
def test_resume_without_a_suspended_operation_does_nothing(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x7a")
    assert pins.idle
    assert pins.status == 0x00


def test_winbond_tells_suspension_in_register_2() -> None:
    pins = suspended(JV_IQ)
    assert pins.spi(b"\x35", 1) == b"\x82"
    pins.spi(b"\x7a")
    assert pins.spi(b"\x35", 1) == b"\x02"


def test_micron_tells_what_is_suspended() -> None:
    assert suspended(N25Q).spi(b"\x70", 1) == b"\xc0", "ready, erase suspended"
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("02 000000 00"))
    pins.spi(b"\x75")
    pins.finish()
    assert pins.spi(b"\x70", 1) == b"\x84", "ready, program suspended"


@BOTH
def test_power_lost_while_suspended_spoils_the_unit(name: str) -> None:
    pins = suspended(name)
    pins.chip.array[:4096] = bytes(4096)
    pins.chip.power_cycle()
    assert bytes(pins.chip.array[:4096]) not in (bytes(4096), b"\xff" * 4096)
    pins.spi(b"\x7a")
    assert pins.idle, "and nothing is left to resume"


@BOTH
def test_a_program_that_was_cut_off_has_cleared_bits_and_set_none(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:512] = b"\x0f" * 512
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("02 000000") + bytes(256))
    pins.chip.power_cycle()
    page = bytes(pins.chip.array[:256])
    assert all(byte & 0xF0 == 0 for byte in page)
    assert page != b"\x0f" * 256
    assert pins.chip.array[256:512] == b"\x0f" * 256


@BOTH
def test_an_erase_that_was_cut_off_has_set_bits_and_cleared_none(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:8192] = b"\x0f" * 8192
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.chip.power_cycle()
    unit = bytes(pins.chip.array[:4096])
    assert all(byte & 0x0F == 0x0F for byte in unit)
    assert unit not in (b"\x0f" * 4096, b"\xff" * 4096)
    assert pins.chip.array[4096:8192] == b"\x0f" * 4096


@BOTH
def test_a_register_write_that_is_cut_off_spoils_no_cell(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 00"))
    pins.chip.power_cycle()
    assert pins.chip.array == b"\xff" * (1 << 24)


@BOTH
def test_a_program_without_data_is_dropped(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("02 000000"))
    assert pins.idle
    assert pins.status == 0x02


@BOTH
def test_power_ends_modes_and_what_was_armed(name: str) -> None:
    pins = Pins(name, continuous_read=True)
    pins.chip.power_cycle()
    assert pins.spi(b"\x9f", 3) in (bytes.fromhex("20 BA 18"), bytes.fromhex("EF 40 18"))
    pins.spi(b"\x66")
    pins.chip.power_cycle()
    pins.spi(b"\x06")
    pins.spi(b"\x99")
    assert pins.status == 0x02
    pins.chip.power_cycle()
    assert pins.status == 0x00, "WEL, too"


def test_reset_enable_is_gone_with_the_power() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\x66")
    pins.chip.power_cycle()
    pins.spi(b"\x99")
    assert pins.idle, "no reset, so no tRST"


def test_continuous_read_gives_nothing_while_the_chip_is_busy() -> None:
    pins = Pins(JV_IQ, continuous_read=True, busy_ms=5)
    pins.chip.array[:2] = b"\x12\x34"
    header = on_four_lines(bytes.fromhex("000000 20")) + b"\x0f" * 4
    assert pins.exchange(header, 4) == b"\x0f" * 4
    pins.wait(5 * MS)
    pins.chip.settle(pins.clock.now_ps)
    pins.chip.array[:2] = b"\x12\x34"
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


def test_work_left_over_looks_like_work_that_was_begun_here() -> None:
    pins = Pins(JV_IQ, busy_ms=5)
    assert pins.status == 0x03
    pins.finish()
    assert pins.status == 0x00


def test_hold_stops_the_output_too() -> None:
    """IO3 low while the chip talks on IO1 and quad enable is clear: no bit comes, and none is lost."""
    pins = Pins(JV_IM)
    pins.chip.array[0] = 0xA5
    pins.chip.select(0)
    pins.chip.clock_in(on_one_line(bytes.fromhex("03 000000")))
    assert pins.chip.clock_out(0x7, 8, 0) == b"\x07" * 8
    seen = pins.chip.clock_out(0xF, 8, 0)
    assert [level >> 1 & 1 for level in seen] == [1, 0, 1, 0, 0, 1, 0, 1]


def test_sfdp_takes_three_address_bytes_in_4_byte_mode_as_well() -> None:
    pins = Pins("IS25LP128", four_byte=True)
    assert pins.spi(bytes.fromhex("5A 000000 00"), 4) == b"SFDP"
