"""W25Q128JV: IDs, status registers, quad enable, protection, continuous read, QPI, power-down."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import JV_IM, JV_IQ, MS, US, Pins, on_four_lines, on_one_line


def test_ids() -> None:
    pins = Pins(JV_IQ)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")
    assert pins.spi(bytes.fromhex("90 000000"), 4) == bytes.fromhex("EF 17 EF 17")
    assert pins.spi(bytes.fromhex("90 000001"), 2) == bytes.fromhex("17 EF")
    assert pins.spi(bytes.fromhex("AB 000000"), 2) == bytes.fromhex("17 17")
    assert Pins(JV_IM).spi(b"\x9f", 3) == bytes.fromhex("EF 70 18")


def test_unique_id_comes_after_four_dummy_bytes() -> None:
    pins = Pins(JV_IQ, unique_id=bytes.fromhex("0102030405060708"))
    assert pins.spi(bytes.fromhex("4B 00000000"), 8) == bytes.fromhex("0102030405060708")


def test_sfdp_is_the_real_dump() -> None:
    pins = Pins(JV_IQ)
    assert pins.spi(bytes.fromhex("5A 000000 00"), 8) == b"SFDP\x05\x01\x00\xff"
    assert pins.spi(bytes.fromhex("5A 000080 00"), 4) == bytes.fromhex("E5 20 F9 FF")
    assert pins.spi(bytes.fromhex("5A 000100 00"), 2) == b"\xff\xff"


def test_no_dump_of_the_im_part_is_known() -> None:
    assert Pins(JV_IM).spi(bytes.fromhex("5A 000000 00"), 4) == b"\xff" * 4


def test_quad_enable_is_fixed_on_iq_and_clear_on_im() -> None:
    iq, im = Pins(JV_IQ), Pins(JV_IM)
    assert iq.spi(b"\x35", 1) == b"\x02"
    assert im.spi(b"\x35", 1) == b"\x00"
    iq.write(bytes.fromhex("31 00"))
    assert iq.spi(b"\x35", 1) == b"\x02"
    im.write(bytes.fromhex("31 02"))
    assert im.spi(b"\x35", 1) == b"\x02"


def test_status_write_takes_ten_milliseconds_and_shows_at_once() -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 18"))
    assert pins.status == 0x1B
    assert pins.finish() == 10 * MS
    assert pins.status == 0x18


def test_a_one_byte_status_write_leaves_register_2_alone() -> None:
    pins = Pins(JV_IM, quad_enable=True)
    pins.write(bytes.fromhex("01 00"))
    assert pins.spi(b"\x35", 1) == b"\x02"
    pins.write(bytes.fromhex("01 00 00"))
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_status_write_needs_write_enable() -> None:
    pins = Pins(JV_IM)
    pins.spi(bytes.fromhex("31 02"))
    assert pins.idle
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_status_survives_a_power_cycle() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("01 0C 02"))
    pins.chip.power_cycle()
    assert (pins.status, pins.spi(b"\x35", 1)) == (0x0C, b"\x02")


def test_volatile_status_write_is_immediate_and_gone_after_power_off() -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x50")
    assert pins.status == 0x00, "50h does not set WEL"
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("31 02"))
    assert pins.idle
    assert pins.spi(b"\x35", 1) == b"\x02"
    pins.chip.power_cycle()
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_volatile_enable_counts_for_the_next_instruction_only() -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x50")
    pins.spi(b"\x05", 1)
    pins.spi(bytes.fromhex("31 02"))
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_srp_with_wp_low_locks_the_registers_while_quad_enable_is_clear() -> None:
    """The controller drives IO2 low in one-line phases: that is WP# low."""
    pins = Pins(JV_IM, registers=(("sr1", 0x84),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 00"), others=0b1000)
    assert pins.idle
    assert pins.status == 0x86
    pins.spi(bytes.fromhex("01 00"), others=0b1100)
    pins.finish()
    assert pins.status == 0x00


def test_srp_does_nothing_when_quad_enable_is_set() -> None:
    pins = Pins(JV_IQ, registers=(("sr1", 0x84),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 00"), others=0b1000)
    pins.finish()
    assert pins.status == 0x00


def test_srl_locks_until_power_off() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("31 03"))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("01 04"))
    assert pins.idle
    pins.chip.power_cycle()
    pins.write(bytes.fromhex("01 04"))
    assert pins.status == 0x04


@pytest.mark.parametrize(
    ("sr1", "sr2", "first", "last"),
    [
        (0x04, 0x02, 0xFC0000, 0xFFFFFF),  # BP 1: upper 1/64
        (0x18, 0x02, 0x800000, 0xFFFFFF),  # BP 6: upper half
        (0x24, 0x02, 0x000000, 0x03FFFF),  # TB: lower 1/64
        (0x1C, 0x02, 0x000000, 0xFFFFFF),  # BP 7: all
        (0x44, 0x02, 0xFFF000, 0xFFFFFF),  # SEC, BP 1: upper 4 KiB
        (0x64, 0x02, 0x000000, 0x000FFF),  # SEC, TB
        (0x5C, 0x02, 0x000000, 0xFFFFFF),  # BP 7: all, with SEC, too
        (0x04, 0x42, 0x000000, 0xFBFFFF),  # CMP: all but that
    ],
)
def test_protected_blocks(sr1: int, sr2: int, first: int, last: int) -> None:
    pins = Pins(JV_IQ, registers=(("sr1", sr1), ("sr2", sr2)))
    pins.chip.array[:] = b"\x55" * (1 << 24)

    def erases(address: int) -> bool:
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


def test_a_protected_block_is_refused_without_a_word() -> None:
    pins = Pins(JV_IQ, registers=(("sr1", 0x1C),))
    pins.chip.array[0] = 0x00
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(bytes.fromhex("02 000100 00"))
    pins.spi(b"\xc7")
    assert pins.idle
    assert pins.status & 1 == 0
    assert (pins.chip.array[0], pins.chip.array[0x100]) == (0x00, 0xFF)


def test_chip_erase_needs_every_block_unprotected() -> None:
    pins = Pins(JV_IQ, registers=(("sr1", 0x04),))
    pins.spi(b"\x06")
    pins.spi(b"\xc7")
    assert pins.idle


def test_individual_locks_are_all_set_after_power_up() -> None:
    pins = Pins(JV_IQ, registers=(("sr3", 0x64),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 020000"))
    assert pins.idle
    pins.spi(bytes.fromhex("39 020000"))
    pins.write(bytes.fromhex("20 020000"))
    assert pins.chip.stats.erases == {4096: 1}
    assert pins.spi(bytes.fromhex("3D 020000"), 1) == b"\x00"
    assert pins.spi(bytes.fromhex("3D 030000"), 1) == b"\x01"
    pins.spi(b"\x06")
    pins.spi(b"\x98")
    pins.write(bytes.fromhex("20 030000"))
    assert pins.chip.stats.erases == {4096: 2}


def test_quad_program_is_ignored_with_quad_enable_clear() -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("32 000000")) + on_four_lines(b"\x00"))
    assert pins.idle
    assert pins.chip.array[0] == 0xFF
    pins.write(bytes.fromhex("31 02"))
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("32 000000")) + on_four_lines(b"\x5a"))
    pins.finish()
    assert pins.chip.array[0] == 0x5A


def test_38h_is_no_page_program() -> None:
    """Zephyr PR 79750: Winbond has 32h only."""
    pins = Pins(JV_IQ)
    pins.spi(b"\x06")
    pins.send(on_one_line(b"\x38") + on_four_lines(bytes.fromhex("000000 00")))
    assert pins.idle


def test_quad_read_needs_quad_enable() -> None:
    pins = Pins(JV_IM)
    pins.chip.array[:2] = b"\x12\x34"
    header = on_one_line(bytes.fromhex("6B 000000")) + b"\x0f" * 8
    assert pins.exchange(header, 4) == b"\x0f" * 4
    pins.write(bytes.fromhex("31 02"))
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


def test_hold_stops_the_chip_while_quad_enable_is_clear() -> None:
    """IO3 low: the clock is not seen. With QE set IO3 is no HOLD#."""
    for name, heard in ((JV_IM, False), (JV_IQ, True)):
        pins = Pins(name)
        pins.send(on_one_line(b"\x06", others=0b0100))
        assert (pins.status == 0x02) is heard
    pins = Pins(JV_IM)
    levels = on_one_line(b"\x06")
    pins.send(levels[:3] + b"\x00\x01" + levels[3:])
    assert pins.status == 0x02, "five clocks of HOLD# low in the middle are as if they had not been"


def test_continuous_read_by_mode_bits() -> None:
    pins = Pins(JV_IQ)
    pins.chip.array[0x100:0x102] = b"\x12\x34"
    header = on_one_line(b"\xeb") + on_four_lines(bytes.fromhex("000100"))
    pins.exchange(header + on_four_lines(b"\x20") + b"\x0f" * 4, 4)
    assert pins.exchange(on_four_lines(bytes.fromhex("000100 20")) + b"\x0f" * 4, 4) == b"\x01\x02\x03\x04"
    assert pins.exchange(on_four_lines(bytes.fromhex("000100 FF")) + b"\x0f" * 4, 4) == b"\x01\x02\x03\x04"
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_a_chip_left_in_continuous_read_hears_no_opcodes() -> None:
    pins = Pins(JV_IQ, continuous_read=True)
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("EF 40 18")


def test_ffh_on_one_line_leaves_continuous_read() -> None:
    """Eight clocks: six of address, two of mode bits, all lines high: M5-4 = 11."""
    pins = Pins(JV_IQ, continuous_read=True)
    pins.spi(b"\xff")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_reset_is_not_heard_in_continuous_read() -> None:
    pins = Pins(JV_IQ, continuous_read=True)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    # Those were address bits; the 8th clock of each was IO3..0 = 1110 and 1111: M5-4 = 11 ends the mode,
    # but no reset took place.
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_qpi_is_entered_only_with_quad_enable() -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x38")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 70 18")
    pins.write(bytes.fromhex("31 02"))
    pins.spi(b"\x38")
    assert pins.spi(b"\x9f", 3) != bytes.fromhex("EF 70 18")
    assert pins.qpi(b"\x9f", 3) == bytes.fromhex("EF 70 18")
    pins.qpi(b"\xff")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 70 18")


def test_the_iq_part_has_no_qpi() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\x38")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_qpi_reads_take_their_dummies_from_the_read_parameters() -> None:
    pins = Pins(JV_IM, qpi=True, quad_enable=True)
    pins.chip.array[:2] = b"\x12\x34"
    assert pins.qpi(bytes.fromhex("EB 000000 FF"), 2) == b"\x12\x34"
    assert pins.qpi(bytes.fromhex("0B 000000"), 2, dummies=2) == b"\x12\x34"
    pins.qpi(bytes.fromhex("C0 20"))
    assert pins.qpi(bytes.fromhex("EB 000000 FF"), 2, dummies=4) == b"\x12\x34"


def test_qpi_reset_returns_to_spi() -> None:
    pins = Pins(JV_IM, qpi=True, quad_enable=True)
    pins.qpi(b"\x66")
    pins.qpi(b"\x99")
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3, "tRST"
    pins.wait(30 * US)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 70 18")


def test_deep_power_down_answers_nothing_but_its_release() -> None:
    pins = Pins(JV_IQ, deep_power_down=True)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    assert pins.spi(b"\x05", 1) == b"\xff"
    pins.spi(b"\xab")
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3, "3 us to wake up"
    pins.wait(3 * US)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")
    pins.spi(b"\xb9")
    pins.wait(3 * US)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3


def test_reset_does_not_wake_from_deep_power_down() -> None:
    pins = Pins(JV_IQ, deep_power_down=True)
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(1 * MS)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3


def test_micron_opcodes_mean_nothing_here() -> None:
    pins = Pins(JV_IQ)
    assert pins.spi(b"\x70", 1) == b"\xff"
    assert pins.spi(b"\x85", 1) == b"\xff"
    pins.spi(b"\xb7")
    pins.chip.array[0x010203] = 0x42
    assert pins.spi(bytes.fromhex("03 010203"), 1) == b"\x42", "128 Mbit: no 4-byte mode"


def test_abh_answers_in_qpi_after_three_dummy_bytes() -> None:
    """Six clocks; on one line 24."""
    pins = Pins(JV_IM, qpi=True, quad_enable=True)
    assert pins.qpi(bytes.fromhex("AB 000000"), 2) == b"\x17\x17"


def test_abh_wakes_a_chip_in_qpi() -> None:
    pins = Pins(JV_IM, qpi=True, quad_enable=True, deep_power_down=True)
    assert pins.qpi(b"\x9f", 3) == b"\xff" * 3
    pins.qpi(b"\xab")
    pins.wait(3 * US)
    assert pins.qpi(b"\x9f", 3) == bytes.fromhex("EF 70 18")


@pytest.mark.parametrize("opcode", ["03", "3B", "BB", "6B", "4B", "32", "38"])
def test_qpi_has_the_instructions_of_its_own_column_alone(opcode: str) -> None:
    pins = Pins(JV_IM, qpi=True, quad_enable=True)
    pins.chip.array[:64] = bytes(64)
    pins.qpi(b"\x06")
    assert pins.qpi(bytes.fromhex(opcode + "000000"), 16) == b"\xff" * 16
    assert pins.idle


HIGH, LARGE = 0x0100_0000, "W25Q256JV-IQ"


def test_the_extended_address_register_counts_in_3_byte_mode_alone() -> None:
    pins = Pins(LARGE)
    pins.chip.array[0], pins.chip.array[HIGH] = 0x11, 0x22
    pins.spi(bytes.fromhex("C5 01"))
    assert pins.spi(b"\xc8", 1) == b"\x00", "needs write enable"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("C5 01"))
    assert (pins.spi(b"\xc8", 1), pins.status) == (b"\x01", 0x00)
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x22"
    pins.write(bytes.fromhex("02 000100 5A"))
    assert (pins.chip.array[0x100], pins.chip.array[HIGH + 0x100]) == (0xFF, 0x5A)
    pins.spi(b"\xb7")
    assert pins.spi(bytes.fromhex("03 00000000"), 1) == b"\x11"
    assert pins.spi(bytes.fromhex("13 00000000"), 1) == b"\x11"
    pins.chip.power_cycle()
    assert pins.spi(b"\xc8", 1) == b"\x00"
