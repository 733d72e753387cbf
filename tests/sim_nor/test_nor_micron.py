"""N25Q128A: IDs, flag status, volatile configuration, dummies, XIP, dual and quad protocol, protection."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import MS, N25Q, US, Pins, on_four_lines, on_one_line


def quad_read(pins: Pins, address: bytes, dummies: int, clocks: int = 4, confirm: int = 0xF) -> bytes:
    header = on_one_line(b"\xeb") + on_four_lines(address)
    return pins.exchange(header + bytes([confirm]) + b"\x0f" * (dummies - 1), clocks)


def test_ids() -> None:
    pins = Pins(N25Q)
    assert pins.spi(b"\x9f", 6) == bytes.fromhex("20 BA 18 10 00 00")
    assert pins.spi(b"\x9e", 3) == bytes.fromhex("20 BA 18")
    assert pins.spi(b"\xaf", 3) == b"\xff" * 3, "AFh answers in dual and quad protocol only"
    assert pins.spi(bytes.fromhex("90 000000"), 2) == b"\xff\xff"


def test_register_values_as_delivered() -> None:
    pins = Pins(N25Q)
    assert pins.spi(b"\xb5", 4) == b"\xff\xff\xff\xff"
    assert pins.spi(b"\x65", 1) == b"\xdf"
    assert pins.spi(b"\x85", 1) == b"\xfb"
    assert pins.spi(b"\x70", 2) == b"\x80\x80"


def test_no_sfdp_dump_is_known() -> None:
    assert Pins(N25Q).spi(bytes.fromhex("5A 000000 00"), 4) == b"\xff" * 4


@pytest.mark.parametrize(
    ("vcr", "dummies"), [(0xFB, 10), (0x0B, 10), (0xAB, 10), (0x6B, 6), (0x1B, 1), (0xEB, 14)]
)
def test_quad_io_dummies_follow_the_volatile_configuration(vcr: int, dummies: int) -> None:
    pins = Pins(N25Q)
    pins.chip.array[:2] = b"\x12\x34"
    pins.spi(b"\x06")
    pins.spi(bytes([0x81, vcr]))
    assert pins.status == 0x00, "written; WEL is taken back"
    assert quad_read(pins, bytes(3), dummies) == b"\x01\x02\x03\x04"


def test_the_default_is_eight_dummies_for_other_fast_reads() -> None:
    pins = Pins(N25Q)
    pins.chip.array[:2] = b"\x12\x34"
    assert pins.spi(bytes.fromhex("0B 000000 FF"), 2) == b"\x12\x34"
    header = on_one_line(bytes.fromhex("6B 000000")) + b"\x0f" * 8
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


def test_volatile_configuration_needs_write_enable() -> None:
    pins = Pins(N25Q)
    pins.spi(bytes.fromhex("81 6B"))
    assert pins.spi(b"\x85", 1) == b"\xfb"


def test_volatile_configuration_is_lost_by_reset_and_not_by_anything_less() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("81 6B"))
    assert pins.spi(b"\x85", 1) == b"\x6b"
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(MS)
    assert pins.spi(b"\x85", 1) == b"\xfb"


def test_quad_programs_need_no_enable_bit() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("32 000000")) + on_four_lines(b"\x12"))
    pins.finish()
    pins.spi(b"\x06")
    pins.send(on_one_line(b"\x12") + on_four_lines(bytes.fromhex("000100 34")))
    pins.finish()
    assert (pins.chip.array[0], pins.chip.array[0x100]) == (0x12, 0x34)


def test_12h_with_a_4_byte_address_on_one_line_programs_garbage_elsewhere() -> None:
    """It is the quad program here. With IO1-3 high each clock is the nibble 111x."""
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("12 00001000 00 00"))
    pins.finish()
    assert pins.chip.array[0x1000:0x1002] == b"\xff\xff"
    # Six clocks of zeros make the address EEEEEEh. 42 clocks are left, 21 bytes; the one bit that is set is
    # bit 19 of what followed the opcode, so the low nibble of the 7th byte. Column EEh leaves room for 18.
    assert pins.chip.array[0xEEEEEE:0xEEEF00] == b"\xee" * 6 + b"\xef" + b"\xee" * 11
    assert pins.chip.array[0xEEEE00:0xEEEE04] == b"\xee\xee\xee\xff"
    assert pins.spi(b"\x70", 1) == b"\x80", "no error is told"


def test_protected_blocks_are_told_and_stop_everything_until_cleared() -> None:
    pins = Pins(N25Q, registers=(("sr", 0x04),))  # BP 1: the topmost 64 KiB
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("D8 FF0000"))
    assert pins.idle
    assert pins.status == 0x06, "WEL stays"
    assert pins.spi(b"\x70", 1) == b"\xa2", "ready, erase error, protection"
    pins.spi(bytes.fromhex("02 000000 00"))
    assert pins.idle, "nothing more until 50h"
    pins.spi(b"\x50")
    assert pins.spi(b"\x70", 1) == b"\x80"
    pins.spi(bytes.fromhex("02 FFFF00 00"))
    assert pins.spi(b"\x70", 1) == b"\x92", "ready, program error, protection"
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("02 000000 00"))
    pins.finish()
    assert pins.chip.array[0] == 0x00


@pytest.mark.parametrize(
    ("sr", "first", "last"),
    [
        (0x04, 0xFF0000, 0xFFFFFF),
        (0x08, 0xFE0000, 0xFFFFFF),
        (0x24, 0x000000, 0x00FFFF),
        (0x40, 0x800000, 0xFFFFFF),  # BP 8: 128 sectors
        (0x5C, 0x000000, 0xFFFFFF),
    ],
)
def test_block_protection_bits(sr: int, first: int, last: int) -> None:
    pins = Pins(N25Q, registers=(("sr", sr),))

    def erases(address: int) -> bool:
        pins.spi(b"\x50")
        pins.spi(b"\x06")
        pins.spi(b"\x20" + address.to_bytes(3, "big"))
        if pins.idle:
            return False
        pins.finish()
        return True

    assert not erases(first)
    assert not erases(last)
    if first > 0:
        assert erases(first - 1)
    if last < 0xFFFFFF:
        assert erases(last + 1)


def test_lock_registers_protect_a_sector_until_reset() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("E5 010000 01"))
    assert pins.spi(bytes.fromhex("E8 01FFFF"), 1) == b"\x01"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 015000"))
    assert pins.spi(b"\x70", 1) == b"\xa2"


def test_srwd_with_w_low_locks_the_status_register() -> None:
    pins = Pins(N25Q, registers=(("sr", 0x84),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 00"), others=0b1000)
    assert pins.idle
    pins.spi(bytes.fromhex("01 00"), others=0b1100)
    pins.finish()
    assert pins.status == 0x00


def test_status_takes_one_byte() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 04 00"))
    assert pins.idle


def test_flag_status_is_busy_while_the_status_register_is() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert (pins.status, pins.spi(b"\x70", 1)) == (0x03, b"\x00")
    pins.spi(b"\x75")
    pins.finish()
    assert pins.spi(b"\x70", 1) == b"\xc0", "erase suspended"


def test_quad_protocol_by_the_enhanced_volatile_configuration() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("61 5F"))
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("20 BA 18")
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("20 BA 18")
    assert pins.qpi(b"\x9f", 3) == b"\xff" * 3, "9Fh belongs to extended SPI"
    assert pins.qpi(b"\x05", 1) == b"\x00"
    pins.chip.array[:2] = b"\x12\x34"
    assert pins.qpi(bytes.fromhex("EB 000000"), 2, dummies=10) == b"\x12\x34"
    assert pins.qpi(bytes.fromhex("0B 000000"), 2, dummies=10) == b"\x12\x34"
    pins.qpi(b"\x06")
    pins.qpi(bytes.fromhex("02 000100 5A"))
    pins.finish()
    assert pins.chip.array[0x100] == 0x5A
    pins.qpi(b"\x06")
    pins.qpi(bytes.fromhex("61 DF"))
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_a_chip_left_in_quad_protocol_is_reset_on_four_lines() -> None:
    pins = Pins(N25Q, qpi=True)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(MS)
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("20 BA 18")
    pins.qpi(b"\x66")
    pins.qpi(b"\x99")
    pins.wait(MS)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_xip_goes_on_while_the_confirmation_bit_is_zero() -> None:
    pins = Pins(N25Q)
    pins.chip.array[0x100:0x102] = b"\x12\x34"
    assert quad_read(pins, b"\0\1\0", 10, confirm=0xE) == b"\x01\x02\x03\x04"
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18"), "VCR bit 3 = 1: no XIP"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("81 F3"))
    quad_read(pins, b"\0\1\0", 10, confirm=0xE)
    again = on_four_lines(b"\0\1\0") + b"\x0e" + b"\x0f" * 9
    assert pins.exchange(again, 4) == b"\x01\x02\x03\x04", "no opcode"
    last = on_four_lines(b"\0\1\0") + b"\x0f" * 10
    assert pins.exchange(last, 4) == b"\x01\x02\x03\x04"
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_seven_clocks_of_ones_leave_quad_io_xip() -> None:
    """Six of address, then the confirmation bit."""
    pins = Pins(N25Q, continuous_read=True)
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("20 BA 18")
    pins = Pins(N25Q, continuous_read=True)
    pins.send(b"\x0f" * 7)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_non_volatile_configuration_takes_effect_at_power_up() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("B1 F7 AF"))  # low byte first: AFF7h, quad protocol, ten dummies
    assert pins.finish() == 200 * MS
    assert pins.spi(b"\xb5", 2) == b"\xf7\xaf"
    pins.chip.power_cycle()
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("20 BA 18")
    assert pins.qpi(b"\x85", 1) == b"\xab"


def test_hold_in_the_opcode() -> None:
    pins = Pins(N25Q)
    pins.send(on_one_line(b"\x06", others=0b0100))
    assert pins.status == 0x00
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("61 CF"))  # bit 4 = 0: no HOLD#
    pins.send(on_one_line(b"\x06", others=0b0100))
    assert pins.status == 0x02


def test_winbond_opcodes_mean_nothing_here() -> None:
    pins = Pins(N25Q)
    assert pins.spi(b"\x35", 1) == b"\xff"
    assert pins.spi(b"\x15", 1) == b"\xff"
    pins.spi(b"\xb9")
    pins.wait(10 * US)
    assert pins.spi(b"\x9f", 1) == b"\x20", "no deep power-down on this part"
    pins.spi(b"\x06")
    pins.spi(b"\x60")
    assert pins.idle


def in_protocol(lines: int, data: bytes) -> bytes:
    """The host's levels with everything on two or on four lines."""
    if lines == 4:
        return on_four_lines(data)
    return bytes(0b1100 | byte >> shift & 3 for byte in data for shift in (6, 4, 2, 0))


def enter(pins: Pins, lines: int) -> None:
    """By the enhanced volatile configuration register."""
    pins.spi(b"\x06")
    pins.spi(b"\x61" + (b"\x5f" if lines == 4 else b"\x9f"))


# Which fast reads and programs each protocol has: the columns of the command table.
READS = {2: ("0B", "3B", "BB"), 4: ("0B", "6B", "EB")}
PROGRAMS = {2: ("02", "A2", "D2"), 4: ("02", "32", "12")}


@pytest.mark.parametrize("lines", [2, 4])
@pytest.mark.parametrize("opcode", ["0B", "3B", "BB", "6B", "EB", "03"])
def test_reads_of_the_dual_and_the_quad_protocol(lines: int, opcode: str) -> None:
    pins = Pins(N25Q)
    pins.chip.array[:2] = b"\x12\x34"
    enter(pins, lines)
    dummies = 10 if lines == 4 else 8
    header = in_protocol(lines, bytes.fromhex(opcode + "000000")) + b"\x0f" * dummies
    seen = pins.exchange(header, 16 // lines)
    expected = in_protocol(lines, b"\x12\x34") if opcode in READS[lines] else b"\x0f" * (16 // lines)
    assert seen == expected


@pytest.mark.parametrize("lines", [2, 4])
@pytest.mark.parametrize("opcode", ["02", "A2", "D2", "32", "12"])
def test_programs_of_the_dual_and_the_quad_protocol(lines: int, opcode: str) -> None:
    pins = Pins(N25Q)
    enter(pins, lines)
    pins.send(in_protocol(lines, b"\x06"))
    pins.send(in_protocol(lines, bytes.fromhex(opcode + "000100 5A")))
    assert pins.idle is (opcode not in PROGRAMS[lines])
    if not pins.idle:
        pins.finish()
        assert pins.chip.array[0x100] == 0x5A
