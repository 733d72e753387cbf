"""The rules in which the families differ, straight on the pins: quad enable, address modes, locks."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import MS, Pins

HIGH = 0x0100_0000


def test_s2b1v1_one_byte_01h_clears_status_register_2() -> None:
    pins = Pins("AT25QL128A")
    pins.write(bytes.fromhex("01 04 0A"))
    assert pins.spi(b"\x35", 1) == b"\x0a"
    pins.write(bytes.fromhex("01 00"))
    assert pins.chip.sr2 & 0x02 == 0  # type: ignore[attr-defined]


def test_s2b1v4_one_byte_01h_leaves_status_register_2() -> None:
    pins = Pins("W25Q256JV-IM")
    pins.write(bytes.fromhex("01 04 02"))
    pins.write(bytes.fromhex("01 00"))
    assert pins.spi(b"\x35", 1) == b"\x02"


def test_s2b1v6_two_byte_01h_is_dropped_and_31h_writes_register_2() -> None:
    pins = Pins("GD25Q128E")
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 04 02"))
    pins.wait(50 * MS)
    assert (pins.status, pins.spi(b"\x35", 1)) == (0x02, b"\x00"), "dropped; WEL keeps its value"
    pins.spi(b"\x04")
    pins.write(bytes.fromhex("31 02"))
    assert pins.spi(b"\x35", 1) == b"\x02"


def test_s2b7_is_written_by_3eh_and_read_by_3fh() -> None:
    pins = Pins("GENERIC-S2B7")
    pins.write(bytes.fromhex("3E 95"))
    assert pins.spi(b"\x3f", 1) == b"\x95"
    assert pins.spi(b"\x35", 1) == b"\xff", "no 35h"


def test_s2b1v1_to_the_letter_has_no_35h() -> None:
    pins = Pins("GENERIC-S2B1V1")
    pins.write(bytes.fromhex("01 00 02"))
    assert pins.spi(b"\x35", 1) == b"\xff"
    assert pins.chip.sr2 == 0x02  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("part", "enable"),
    [
        ("GENERIC-S2B7", "3E 80"),
        ("IS25LP128", "01 40"),
        ("SST26VF064B", "01 00 02"),
        ("W25Q64JW-IM", "01 00 02"),
    ],
)
def test_quad_read_needs_quad_enable(part: str, enable: str) -> None:
    pins = Pins(part)
    pins.chip.array[:2] = b"\x12\x34"
    command = bytes.fromhex("6B 000000 00")
    assert pins.spi(command, 2) == b"\xff\xff", "not taken: outputs float"
    pins.write(bytes.fromhex(enable))
    assert pins.spi(command, 2) != b"\xff\xff"


def test_sst26_is_locked_from_power_up_until_98h() -> None:
    pins = Pins("SST26VF064B")
    pins.chip.array[:4] = b"\0\0\0\0"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.wait(100 * MS)
    assert pins.chip.array[:4] == b"\0\0\0\0"
    pins.spi(b"\x06")
    pins.spi(b"\x98")
    pins.write(bytes.fromhex("20 000000"))
    assert pins.chip.array[:4] == b"\xff\xff\xff\xff"
    pins.chip.power_cycle()
    assert pins.chip.protected(0, 4096)  # type: ignore[attr-defined]


def test_n25q256_enters_4_byte_mode_only_after_06h() -> None:
    pins = Pins("N25Q256A13")
    pins.chip.array[HIGH] = 0x22
    pins.spi(b"\xb7")
    assert pins.spi(b"\x70", 1) == b"\x80"
    pins.spi(b"\x06")
    pins.spi(b"\xb7")
    assert pins.spi(b"\x70", 1) == b"\x81"
    assert pins.spi(bytes.fromhex("03 01000000"), 1) == b"\x22"


def test_12h_is_a_page_program_on_mt25q_and_no_such_thing_on_n25q() -> None:
    """The same opcode and the same three ID bytes: the field report of nor-behaviour.md section 9."""
    for part, programmed in (("MT25QL256ABA", True), ("N25Q256A13", False)):
        pins = Pins(part)
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("12 01000000 5AA5"))
        pins.wait(50 * MS)
        pins.chip.settle(pins.clock.now_ps)
        assert (pins.chip.array[HIGH : HIGH + 2] == b"\x5a\xa5") == programmed


def test_w25q256_tells_its_address_mode_and_powers_up_by_adp() -> None:
    pins = Pins("W25Q256JV-IQ")
    assert pins.spi(b"\x15", 1)[0] & 3 == 0
    pins.spi(b"\xb7")
    assert pins.spi(b"\x15", 1)[0] & 3 == 1
    pins.write(bytes.fromhex("11 62"))
    pins.chip.power_cycle()
    assert pins.spi(b"\x15", 1)[0] & 3 == 3


def test_macronix_fail_bit_lasts_until_the_next_erase() -> None:
    pins = Pins("MX25L12833F", erase_fails=(0,))
    pins.write(bytes.fromhex("20 000000"))
    assert pins.spi(b"\x2b", 1) == b"\x40"
    pins.write(bytes.fromhex("02 010000 00"))
    assert pins.spi(b"\x2b", 1) == b"\x40"
    pins.write(bytes.fromhex("20 010000"))
    assert pins.spi(b"\x2b", 1) == b"\x00"


def test_large_parts_alone_know_4_byte_mode() -> None:
    pins = Pins("MX25L12833F")
    pins.spi(b"\xb7")
    assert pins.spi(b"\x15", 1) == b"\x07"


def test_50h_makes_3eh_volatile() -> None:
    pins = Pins("GENERIC-S2B7")
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("3E 80"))
    assert pins.spi(b"\x3f", 1) == b"\x80"
    pins.chip.power_cycle()
    assert pins.spi(b"\x3f", 1) == b"\x00"


def test_gigadevice_has_no_individual_locks() -> None:
    pins = Pins("GD25Q128E")
    pins.write(bytes.fromhex("11 FF"))
    assert pins.spi(b"\x15", 1) == b"\xe0"


@pytest.mark.parametrize("opcode", ["31 02", "11 60", "36 000000"])
def test_adesto_has_no_31h_no_third_register_and_no_locks(opcode: str) -> None:
    pins = Pins("AT25QL128A")
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(opcode))
    assert pins.idle
    assert pins.status == 0x02
    assert pins.spi(b"\x15", 1) == b"\xff"
