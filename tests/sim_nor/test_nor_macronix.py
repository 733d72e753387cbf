"""MX25L51245G: 4-byte addressing, quad enable in SR1, configuration register, QPI, continuous read."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import MS, READ, US, Controller, Pins, ccr, on_four_lines, on_one_line

MX = "MX25L51245G"
HIGH = 0x0200_0000


def test_ids() -> None:
    assert Pins(MX).spi(b"\x9f", 6) == bytes.fromhex("C2 20 1A C2 20 1A")


def test_three_byte_addresses_reach_the_lower_16_mib_only() -> None:
    pins = Pins(MX)
    pins.chip.array[0], pins.chip.array[HIGH] = 0x11, 0x22
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x11"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("C5 02"))
    assert pins.spi(b"\xc8", 1) == b"\x02"
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x22", "extended address register"
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(MS)
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x11"


def test_b7h_and_e9h_switch_the_address_size() -> None:
    pins = Pins(MX)
    pins.chip.array[HIGH] = 0x22
    pins.spi(b"\xb7")
    assert pins.spi(b"\x15", 1) == b"\x27"
    assert pins.spi(bytes.fromhex("03 02000000"), 1) == b"\x22"
    pins.spi(b"\xe9")
    assert pins.spi(b"\x15", 1) == b"\x07"
    assert pins.spi(bytes.fromhex("03 020000"), 1) == b"\xff"


def test_dedicated_opcodes_ignore_the_mode() -> None:
    pins = Pins(MX)
    pins.chip.array[HIGH] = 0x00
    assert pins.spi(bytes.fromhex("13 02000000"), 1) == b"\x00"
    pins.write(bytes.fromhex("21 02000123"))
    assert pins.chip.array[HIGH] == 0xFF
    pins.write(bytes.fromhex("12 02000000 5A"))
    assert pins.chip.array[HIGH] == 0x5A


def test_a_chip_left_in_4_byte_mode_and_three_byte_commands() -> None:
    c = Controller(MX, fsize=25, four_byte=True)
    content = bytes(range(1, 33))
    c.chip.array[0x000100:0x000120] = content
    # 03h 00 00 01 takes one more byte: the floating IO0 gives FFh, then the data come a byte late.
    c.chip.array[0x0001FF:0x000203] = b"\xa1\xa2\xa3\xa4"
    assert c.read(ccr(0x03, READ, lines=(1, 1, 1)), 4, 0x000001) == b"\xff\xa1\xa2\xa3"
    # A page program takes its first data byte as the low address byte.
    c.program(ccr(0x02, lines=(1, 1, 1)), b"\x40\x11\x22", 0x000010)
    assert c.chip.array[0x001040:0x001043] == b"\x11\x22\xff"
    # An erase lacks address bits: dropped, without a word.
    c.erase(0x20, 0)
    assert c.status() == 0x02
    assert c.chip.array[0x100:0x120] == content


def test_reset_leaves_4_byte_mode() -> None:
    pins = Pins(MX, four_byte=True)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(MS)
    assert pins.spi(b"\x15", 1) == b"\x07"


def test_quad_commands_need_bit_6_of_the_status_register() -> None:
    pins = Pins(MX)
    pins.chip.array[:2] = b"\x12\x34"
    header = on_one_line(bytes.fromhex("6B 000000")) + b"\x0f" * 8
    assert pins.exchange(header, 4) == b"\x0f" * 4
    pins.write(bytes.fromhex("01 40"))
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"
    pins.spi(b"\x06")
    pins.send(on_one_line(b"\x38") + on_four_lines(bytes.fromhex("000100 5A")))
    pins.finish()
    assert pins.chip.array[0x100] == 0x5A


def test_32h_does_not_exist() -> None:
    pins = Pins(MX, quad_enable=True)
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("32 000000")) + on_four_lines(b"\x00"))
    assert pins.idle


@pytest.mark.parametrize(("dc", "quad_io", "quad_out"), [(0, 6, 8), (1, 4, 6), (2, 8, 8), (3, 10, 10)])
def test_dummies_follow_the_configuration_register(dc: int, quad_io: int, quad_out: int) -> None:
    pins = Pins(MX, quad_enable=True)
    pins.chip.array[:2] = b"\x12\x34"
    pins.write(bytes([0x01, 0x40, dc << 6 | 7]))
    header = on_one_line(b"\xeb") + on_four_lines(bytes(3)) + b"\x0f" * quad_io
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"
    header = on_one_line(bytes.fromhex("6B 000000")) + b"\x0f" * quad_out
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


@pytest.mark.parametrize(
    ("mode", "goes_on"), [(0xA5, True), (0x0F, True), (0xAA, False), (0x00, False), (0x21, False)]
)
def test_continuous_read_needs_complementary_nibbles(mode: int, goes_on: bool) -> None:
    pins = Pins(MX, quad_enable=True)
    header = on_one_line(b"\xeb") + on_four_lines(bytes([0, 0, 0, mode])) + b"\x0f" * 4
    pins.exchange(header, 4)
    assert (pins.spi(b"\x9f", 3) != bytes.fromhex("C2 20 1A")) is goes_on


def test_qpi_by_35h_and_f5h() -> None:
    pins = Pins(MX, quad_enable=True)
    pins.spi(b"\x35")
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("C2 20 1A")
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("C2 20 1A")
    pins.qpi(b"\xf5")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("C2 20 1A")


def test_a_protected_block_clears_the_write_enable() -> None:
    pins = Pins(MX, registers=(("sr", 0x3C),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.idle
    assert pins.status == 0x3C


def test_a_failed_erase_is_told_by_the_security_register() -> None:
    pins = Pins(MX, erase_fails=(0x1234,))
    pins.chip.array[0x1000] = 0x00
    pins.write(bytes.fromhex("20 001000"))
    assert pins.spi(b"\x2b", 1) == b"\x40"
    assert pins.chip.array[0x1000] == 0x00


def test_suspend_has_opcodes_of_its_own() -> None:
    pins = Pins(MX)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x75")
    pins.wait(20 * US)
    assert pins.status & 1, "not suspended"
    pins.spi(b"\xb0")
    pins.wait(20 * US)
    assert pins.status & 1 == 0
    pins.spi(b"\x7a")
    assert pins.status & 1 == 0, "not resumed"
    pins.spi(b"\x30")
    assert pins.status & 1


@pytest.mark.parametrize(
    ("command", "recovery_us"),
    [
        ("02 000000 00", 310),
        ("20 000000", 12_000),
        ("D8 000000", 25_000),
        ("C7", 1_000_000),
        ("01 00", 40_000),
    ],
)
def test_reset_takes_as_long_as_what_it_cuts_off_needs(command: str, recovery_us: int) -> None:
    pins = Pins(MX)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(command))
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(recovery_us * US - 1)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    pins.wait(1)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("C2 20 1A")


def test_reset_while_the_erase_is_being_suspended() -> None:
    pins = Pins(MX)
    pins.chip.array[:4096] = bytes(4096)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\xb0")
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(12 * MS)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("C2 20 1A")
    assert bytes(pins.chip.array[:4096]) not in (bytes(4096), b"\xff" * 4096)


def test_35h_enters_qpi_without_quad_enable() -> None:
    """AN0251 section 4: there is no need to set QE."""
    pins = Pins(MX)
    pins.spi(b"\x35")
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("C2 20 1A")
    assert pins.qpi(b"\x05", 1) == b"\x00"


@pytest.mark.parametrize("name", [MX, "MX25L12833F"])
def test_ebh_in_qpi_needs_no_quad_enable(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:2] = b"\x12\x34"
    header = on_one_line(b"\xeb") + on_four_lines(bytes(4)) + b"\x0f" * 4
    assert pins.exchange(header, 4) == b"\x0f" * 4, "with the opcode on one line it does"
    pins.spi(b"\x35")
    assert pins.qpi(bytes.fromhex("EB 000000 00"), 2, dummies=4) == b"\x12\x34"
    pins.qpi(b"\x06")
    pins.qpi(bytes.fromhex("02 000100 5A"))
    pins.finish()
    assert pins.chip.array[0x100] == 0x5A


@pytest.mark.parametrize("opcode", ["03", "0B", "3B", "BB", "6B", "9F", "38"])
def test_qpi_has_the_instructions_of_its_own_column_alone(opcode: str) -> None:
    """AN0251 section 4: 1-1-1, 1-1-4 and 1-4-4 are not supported there."""
    pins = Pins(MX, quad_enable=True)
    pins.chip.array[:64] = bytes(64)
    pins.spi(b"\x35")
    pins.qpi(b"\x06")
    assert pins.qpi(bytes.fromhex(opcode + "000000"), 16) == b"\xff" * 16
    assert pins.idle


def test_abh_answers_in_qpi_after_three_dummy_bytes() -> None:
    pins = Pins(MX, qpi=True)
    assert pins.qpi(bytes.fromhex("AB 000000"), 2) == b"\x19\x19"


def test_abh_wakes_a_chip_in_qpi() -> None:
    pins = Pins(MX, qpi=True, deep_power_down=True)
    assert pins.qpi(b"\xaf", 3) == b"\xff" * 3
    pins.qpi(b"\xab")
    pins.wait(30 * US - 1)
    assert pins.qpi(b"\xaf", 3) == b"\xff" * 3
    pins.wait(1)
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("C2 20 1A")


def test_wp_locks_the_status_register_on_one_line_and_is_a_data_line_in_qpi() -> None:
    pins = Pins(MX, registers=(("sr", 0x80),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 00"), others=0b1000)
    assert pins.idle
    pins.spi(b"\x35")
    pins.qpi(bytes.fromhex("01 00"))  # 01h has IO2 low in its last clock
    pins.finish()
    assert pins.qpi(b"\x05", 1) == b"\x00"


def ear(pins: Pins, value: int) -> None:
    pins.spi(b"\x06")
    pins.spi(bytes([0xC5, value]))


def test_the_extended_address_register_needs_write_enable_and_one_byte() -> None:
    pins = Pins(MX)
    pins.spi(bytes.fromhex("C5 02"))
    assert pins.spi(b"\xc8", 1) == b"\x00"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("C5 02 03"))
    assert pins.spi(b"\xc8", 1) == b"\x00"
    assert pins.status == 0x02
    ear(pins, 2)
    assert (pins.spi(b"\xc8", 1), pins.status) == (b"\x02", 0x00)


def test_the_extended_address_register_is_ignored_in_4_byte_mode() -> None:
    pins = Pins(MX)
    pins.chip.array[0], pins.chip.array[HIGH] = 0x11, 0x22
    ear(pins, 2)
    pins.spi(b"\xb7")
    assert pins.spi(bytes.fromhex("03 00000000"), 1) == b"\x11"
    assert pins.spi(bytes.fromhex("13 00000000"), 1) == b"\x11"
    pins.write(bytes.fromhex("02 00000100 00"))
    assert (pins.chip.array[0x100], pins.chip.array[HIGH + 0x100]) == (0x00, 0xFF)
    pins.spi(b"\xe9")
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x22", "and counts again behind it"


def test_opcodes_of_four_address_bytes_ignore_the_extended_address_register() -> None:
    pins = Pins(MX)
    pins.chip.array[0] = 0x11
    ear(pins, 2)
    assert pins.spi(bytes.fromhex("13 00000000"), 1) == b"\x11"
    pins.write(bytes.fromhex("21 00000000"))
    assert pins.chip.array[0] == 0xFF


def test_programs_and_erases_follow_the_extended_address_register_in_3_byte_mode() -> None:
    pins = Pins(MX)
    ear(pins, 2)
    pins.write(bytes.fromhex("02 000100 5A"))
    assert (pins.chip.array[0x100], pins.chip.array[HIGH + 0x100]) == (0xFF, 0x5A)
    pins.write(bytes.fromhex("20 000000"))
    assert pins.chip.array[HIGH + 0x100] == 0xFF
    pins.chip.power_cycle()
    assert pins.spi(b"\xc8", 1) == b"\x00"
