"""Which bits of their registers the families keep, and what a write to them needs."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, US, Pins, on_four_lines, on_one_line

LARGE, MX = "W25Q256JV-IM", "MX25L51245G"


def reset(pins: Pins) -> None:
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(400 * MS)


# Winbond


def test_busy_and_write_enable_cannot_be_written() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("01 FF"))
    pins.chip.power_cycle()
    assert pins.status == 0xFC


def test_security_register_locks_are_one_time_programmable() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("31 08"))
    pins.write(bytes.fromhex("31 00"))
    assert pins.spi(b"\x35", 1) == b"\x08"


def test_reserved_bits_of_register_2_stay_clear() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("31 84"))
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_register_3_has_hold_drive_strength_and_wps() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("11 FF"))
    assert pins.spi(b"\x15", 1) == b"\xe4"


def test_io3_as_reset_pin_is_no_hold() -> None:
    """SR3 bit 7."""
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("11 E0"))
    pins.send(on_one_line(b"\x06", others=0b0100))
    assert pins.status == 0x02


@pytest.mark.parametrize("write", ["01", "31 00 00", "11 60 60", "01 00 00 00"])
def test_register_writes_of_another_length_are_dropped(write: str) -> None:
    pins = Pins(JV_IM)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(write))
    assert pins.idle
    assert pins.status == 0x02


@pytest.mark.parametrize(("mode", "goes_on"), [(0x20, True), (0xEF, True), (0x30, False), (0x00, False)])
def test_mode_bits_5_and_4_decide_on_continuous_read(mode: int, goes_on: bool) -> None:
    pins = Pins(JV_IQ)
    pins.exchange(on_one_line(b"\xeb") + on_four_lines(bytes([0, 0, 0, mode])) + b"\x0f" * 4, 4)
    assert (pins.spi(b"\x9f", 3) != bytes.fromhex("EF 40 18")) is goes_on


def on_two_lines(data: bytes) -> bytes:
    return bytes(0b1100 | byte >> shift & 3 for byte in data for shift in (6, 4, 2, 0))


def test_continuous_read_on_two_lines() -> None:
    pins = Pins(JV_IQ)
    pins.chip.array[0x100] = 0x1B
    pins.exchange(on_one_line(b"\xbb") + on_two_lines(bytes.fromhex("000100 20")), 4)
    again = on_two_lines(bytes.fromhex("000100 F0"))
    assert [level & 3 for level in pins.exchange(again, 4, idle=0xF)] == [0, 1, 2, 3]
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_a_chip_that_is_awake_answers_abh_without_a_pause() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\xab")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_a_chip_that_falls_asleep_hears_nothing_for_3_us() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\xb9")
    pins.spi(b"\xab")
    pins.wait(3 * US)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3, "its release came too early"


def test_the_read_parameters_are_lost_with_a_reset() -> None:
    pins = Pins(JV_IM, quad_enable=True, qpi=True)
    pins.chip.array[:2] = b"\x12\x34"
    pins.qpi(bytes.fromhex("C0 30"))
    assert pins.qpi(bytes.fromhex("0B 000000"), 2, dummies=8) == b"\x12\x34"
    pins.qpi(b"\x66")
    pins.qpi(b"\x99")
    pins.wait(30 * US)
    pins.spi(b"\x38")
    assert pins.qpi(bytes.fromhex("0B 000000"), 2, dummies=2) == b"\x12\x34"


LOCKS = [("36 020000", "39 020000"), ("7E", "98")]


@pytest.mark.parametrize(("lock", "unlock"), LOCKS)
def test_locks_need_write_enable_and_use_it_up(lock: str, unlock: str) -> None:
    pins = Pins(JV_IQ)
    read = bytes.fromhex("3D 020000")
    assert pins.spi(read, 1) == b"\x01"
    pins.spi(bytes.fromhex(unlock))
    assert pins.spi(read, 1) == b"\x01"
    for command, locked in ((unlock, b"\x00"), (lock, b"\x01")):
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex(command))
        assert (pins.spi(read, 1), pins.status) == (locked, 0x00)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(unlock))
    pins.spi(bytes.fromhex(lock))
    assert pins.spi(read, 1) == b"\x00"
    pins.chip.power_cycle()
    assert pins.spi(read, 1) == b"\x01"


@pytest.mark.parametrize(
    ("address", "same", "other"), [("000000", "000FFF", "001000"), ("FF5000", "FF5FFF", "FF6000")]
)
def test_the_first_and_the_last_block_are_locked_by_sectors(address: str, same: str, other: str) -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("39" + address))
    assert pins.spi(bytes.fromhex("3D" + same), 1) == b"\x00"
    assert pins.spi(bytes.fromhex("3D" + other), 1) == b"\x01"


def test_the_blocks_between_are_locked_as_a_whole() -> None:
    pins = Pins(JV_IQ)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("39 010000"))
    assert pins.spi(bytes.fromhex("3D 01FFFF"), 1) == b"\x00"
    assert pins.spi(bytes.fromhex("3D 020000"), 1) == b"\x01"


def test_locks_count_only_with_wps() -> None:
    pins = Pins(JV_IQ, registers=(("sr1", 0x1C), ("sr3", 0x64)))
    pins.spi(b"\x06")
    pins.spi(b"\x98")
    pins.write(bytes.fromhex("20 000000"))
    assert pins.chip.stats.erases == {4096: 1}, "block protection bits say nothing then"


@pytest.mark.parametrize(("sr1", "first_free"), [(0x74, 0x008000), (0x78, 0x008000), (0x6C, 0x004000)])
def test_sector_protection_ends_at_32_kib(sr1: int, first_free: int) -> None:
    pins = Pins(JV_IQ, registers=(("sr1", sr1),))
    chip = pins.chip
    assert chip.protected(first_free - 4096, 4096)  # type: ignore[attr-defined]
    assert not chip.protected(first_free, 4096)  # type: ignore[attr-defined]


# Winbond above 128 Mbit


@pytest.mark.parametrize(
    ("sr1", "low", "high"),
    [
        (0x04, 0x1FF_0000, 0x200_0000),
        (0x44, 0x000_0000, 0x001_0000),
        (0x24, 0x100_0000, 0x200_0000),  # BP 9: 256 blocks
        (0x64, 0x000_0000, 0x100_0000),
        (0x3C, 0x000_0000, 0x200_0000),
    ],
)
def test_block_protection_of_the_large_parts(sr1: int, low: int, high: int) -> None:
    chip = Pins(LARGE, registers=(("sr1", sr1),)).chip
    inside = [low, high - 4096]
    outside = [a for a in (low - 4096, high) if 0 <= a < 0x200_0000]
    assert all(chip.protected(a, 4096) for a in inside)  # type: ignore[attr-defined]
    assert not any(chip.protected(a, 4096) for a in outside)  # type: ignore[attr-defined]


def test_the_present_address_mode_is_read_only() -> None:
    pins = Pins(LARGE)
    pins.write(bytes.fromhex("11 61"))
    assert pins.spi(b"\x15", 1) == b"\x60"
    pins.chip.power_cycle()
    assert pins.spi(b"\x15", 1) == b"\x60"


def test_locks_of_the_large_parts_take_addresses_of_the_mode() -> None:
    pins = Pins(LARGE)
    pins.spi(b"\xb7")
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("39 01230000"))
    assert pins.spi(bytes.fromhex("3D 01230000"), 1) == b"\x00"
    assert pins.spi(bytes.fromhex("3D 00230000"), 1) == b"\x01"


def test_a_reset_returns_to_the_address_mode_of_adp() -> None:
    pins = Pins(LARGE)
    pins.spi(b"\xb7")
    reset(pins)
    assert pins.spi(b"\x15", 1) == b"\x60"


# Micron


@pytest.mark.parametrize(
    ("write", "read", "before"), [("81 6B", "85", "FB"), ("61 CF", "65", "DF"), ("B1 FF AF", "B5", "FF FF")]
)
def test_configuration_writes_need_write_enable_and_use_it_up(write: str, read: str, before: str) -> None:
    pins = Pins(N25Q)
    held = bytes.fromhex(before)
    pins.spi(bytes.fromhex(write))
    assert pins.spi(bytes.fromhex(read), len(held)) == held
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex(write) + b"\x00")
    assert pins.spi(bytes.fromhex(read), len(held)) == held, "one byte too many"
    assert pins.status == 0x02
    pins.spi(bytes.fromhex(write))
    if not pins.idle:
        pins.finish()
    assert pins.spi(bytes.fromhex(read), len(held)) == bytes.fromhex(write)[1:]
    assert pins.status == 0x00


def test_flags_and_locks_are_lost_with_a_reset() -> None:
    pins = Pins(N25Q)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("E5 010000 01"))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 010000"))
    assert pins.spi(b"\x70", 1) == b"\xa2"
    reset(pins)
    assert pins.spi(b"\x70", 1) == b"\x80"
    assert pins.spi(bytes.fromhex("E8 010000"), 1) == b"\x00"


def test_lock_writes_need_write_enable_and_end_with_the_lock_down_bit() -> None:
    pins = Pins(N25Q)
    pins.spi(bytes.fromhex("E5 010000 01"))
    assert pins.spi(bytes.fromhex("E8 010000"), 1) == b"\x00"
    for value in (0x03, 0x00):
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("E5 010000") + bytes([value]))
        assert pins.status == 0x00
    assert pins.spi(bytes.fromhex("E8 010000"), 1) == b"\x03"


@pytest.mark.parametrize(
    ("nvcr", "evcr", "vcr", "lines"),
    [(0xFFEF, 0xCF, 0xFB, 1), (0xFFFB, 0x9F, 0xFB, 2), (0xFFF7, 0x5F, 0xFB, 4), (0x6FFF, 0xDF, 0x6B, 1)],
)
def test_volatile_registers_begin_as_the_non_volatile_one_says(
    nvcr: int, evcr: int, vcr: int, lines: int
) -> None:
    pins = Pins(N25Q, registers=(("nvcr", nvcr),))
    for opcode, value in ((0x65, evcr), (0x85, vcr)):
        if lines == 4:
            assert pins.qpi(bytes([opcode]), 1) == bytes([value])
        elif lines == 2:
            levels = pins.exchange(on_two_lines(bytes([opcode])), 4)
            assert (
                sum((level & 3) << shift for level, shift in zip(levels, (6, 4, 2, 0), strict=True)) == value
            )
        else:
            assert pins.spi(bytes([opcode]), 1) == bytes([value])


@pytest.mark.parametrize(
    ("nvcr", "opcode", "lines"), [(0xF1FF, 0x0B, 1), (0xF9FF, 0xEB, 4)], ids=["fast read", "quad I/O"]
)
def test_xip_from_power_on(nvcr: int, opcode: int, lines: int) -> None:
    pins = Pins(N25Q, registers=(("nvcr", nvcr),))
    pins.chip.array[:1] = b"\x5a"
    if lines == 1:
        assert pins.spi(bytes(3) + b"\x7f", 1) == b"\x5a"
    else:
        assert pins.exchange(bytes(6) + b"\x0e" + b"\x0f" * 9, 2) == b"\x05\x0a"
    assert pins.spi(b"\x9f", 1) != b"\x20"


def test_w_is_a_data_line_in_the_quad_protocol() -> None:
    pins = Pins(N25Q, registers=(("sr", 0x84),))
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("61 5F"))
    pins.qpi(b"\x06")
    pins.qpi(bytes.fromhex("01 00"))
    pins.finish()
    assert pins.qpi(b"\x05", 1) == b"\x00"


def test_entering_4_byte_mode_uses_the_write_enable_up() -> None:
    pins = Pins("N25Q256A13")
    pins.spi(b"\x06")
    pins.spi(b"\xb7")
    assert pins.status == 0x00


# Macronix


def test_dummy_cycles_are_volatile_and_top_bottom_is_for_good() -> None:
    pins = Pins(MX)
    pins.write(bytes.fromhex("01 00 CF"))
    assert pins.spi(b"\x15", 1) == b"\xcf"
    reset(pins)
    assert pins.spi(b"\x15", 1) == b"\x0f"
    pins.write(bytes.fromhex("01 00 07"))
    assert pins.spi(b"\x15", 1) == b"\x0f", "TB can't be cleared"
    assert pins.chip.nonvolatile()["cr"] & 0x08


def test_top_bottom_turns_the_protected_area_round() -> None:
    for tb, low_is_protected in ((0x00, False), (0x08, True)):
        chip = Pins(MX, registers=(("sr", 0x04), ("cr", 0x07 | tb))).chip
        assert chip.protected(0, 4096) is low_is_protected  # type: ignore[attr-defined]
        assert chip.protected(chip.size - 4096, 4096) is not low_is_protected  # type: ignore[attr-defined]


def test_the_security_register_is_cleared_by_a_reset() -> None:
    pins = Pins(MX, erase_fails=(0,))
    pins.write(bytes.fromhex("20 000000"))
    assert pins.spi(b"\x2b", 1) == b"\x40"
    reset(pins)
    assert pins.spi(b"\x2b", 1) == b"\x00"


def test_deep_power_down_of_macronix() -> None:
    pins = Pins(MX)
    pins.spi(b"\xb9")
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    pins.spi(b"\xab")
    pins.wait(30 * US - 1)
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    pins.wait(1)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("C2 20 1A")


def test_small_macronix_parts_have_no_extended_address_register() -> None:
    pins = Pins("MX25L12833F")
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("C5 01"))
    assert pins.spi(b"\xc8", 1) == b"\xff"
