"""IS25LP128 and SST26VF064B: read parameters, function register, locks, block erase by address."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import MS, US, Pins, on_four_lines, on_one_line

IS, SST = "IS25LP128", "SST26VF064B"


# ISSI


@pytest.mark.parametrize(("parameters", "clocks"), [(0x00, 6), (0x50, 10), (0x20, 4)])
def test_dummies_follow_the_read_parameters(parameters: int, clocks: int) -> None:
    """Bits 6:3, the two mode clocks included; 0 = the default."""
    pins = Pins(IS, quad_enable=True)
    pins.chip.array[:2] = b"\x12\x34"
    pins.spi(bytes([0xC0, parameters]))
    header = on_one_line(b"\xeb") + on_four_lines(bytes(4)) + b"\x0f" * (clocks - 2)
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


def test_read_parameters_are_lost_with_a_reset() -> None:
    pins = Pins(IS, quad_enable=True)
    pins.chip.array[:2] = b"\x12\x34"
    pins.spi(bytes.fromhex("C0 50"))
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(MS)
    header = on_one_line(b"\xeb") + on_four_lines(bytes(4)) + b"\x0f" * 4
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


@pytest.mark.parametrize(("mode", "goes_on"), [(0xA0, True), (0xAF, True), (0x80, False), (0xE0, False)])
@pytest.mark.parametrize(("name", "jedec"), [(IS, "9D 60 18"), (SST, "BF 26 43")])
def test_continuous_read_by_axh(name: str, jedec: str, mode: int, goes_on: bool) -> None:
    pins = Pins(name, quad_enable=True)
    pins.exchange(on_one_line(b"\xeb") + on_four_lines(bytes([0, 0, 0, mode])) + b"\x0f" * 4, 4)
    assert (pins.spi(b"\x9f", 3) != bytes.fromhex(jedec)) is goes_on


@pytest.mark.parametrize("opcode", ["20", "D7"])
def test_d7h_erases_a_sector_like_20h(opcode: str) -> None:
    pins = Pins(IS)
    pins.chip.array[0x1000] = 0
    pins.write(bytes.fromhex(opcode + "001000"))
    assert pins.chip.stats.erases == {4096: 1}


@pytest.mark.parametrize(("suspend", "resume"), [("75", "7A"), ("B0", "30")])
def test_suspend_has_two_pairs_of_opcodes(suspend: str, resume: str) -> None:
    pins = Pins(IS)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(bytes.fromhex(suspend))
    pins.finish()
    assert pins.status & 1 == 0
    pins.spi(bytes.fromhex(resume))
    assert pins.status & 1


def test_function_bits_can_only_be_set() -> None:
    pins = Pins(IS)
    pins.spi(bytes.fromhex("42 02"))
    assert pins.spi(b"\x48", 1) == b"\x00", "needs write enable"
    pins.write(bytes.fromhex("42 02"))
    pins.write(bytes.fromhex("42 00"))
    assert pins.spi(b"\x48", 1) == b"\x02"


def test_the_function_register_turns_the_protected_area_round() -> None:
    for function, low_is_protected in ((0x00, False), (0x02, True)):
        chip = Pins(IS, registers=(("sr", 0x04), ("function", function))).chip
        assert chip.protected(0, 4096) is low_is_protected  # type: ignore[attr-defined]
        assert chip.protected(chip.size - 4096, 4096) is not low_is_protected  # type: ignore[attr-defined]


def test_a_volatile_status_write_is_gone_after_power_off() -> None:
    pins = Pins(IS)
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("01 40"))
    assert pins.idle
    assert pins.status == 0x40
    pins.chip.power_cycle()
    assert pins.status == 0x00


def test_50h_counts_for_the_next_instruction_only() -> None:
    pins = Pins(IS)
    pins.spi(b"\x50")
    pins.spi(b"\x05", 1)
    pins.spi(bytes.fromhex("01 40"))
    assert pins.status == 0x00


def test_srwd_with_wp_low_locks_the_register_while_quad_enable_is_clear() -> None:
    for quad, locked in ((False, True), (True, False)):
        pins = Pins(IS, registers=(("sr", 0x80),), quad_enable=quad)
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("01 00"), others=0b1000)
        assert pins.idle is locked


@pytest.mark.parametrize("opcode", ["6B", "EB"])
def test_quad_reads_need_quad_enable(opcode: str) -> None:
    for name in (IS, SST):
        pins = Pins(name)
        pins.chip.array[:64] = bytes(64)
        assert pins.spi(bytes.fromhex(opcode) + bytes(8), 4) == b"\xff" * 4


@pytest.mark.parametrize("opcode", ["32", "38"])
def test_quad_programs_need_quad_enable(opcode: str) -> None:
    for quad in (False, True):
        pins = Pins(IS, quad_enable=quad)
        pins.spi(b"\x06")
        pins.send(on_one_line(bytes.fromhex(opcode + "000000")) + on_four_lines(b"\x5a"))
        assert pins.idle is not quad


def test_deep_power_down_of_issi() -> None:
    pins = Pins(IS)
    pins.spi(b"\xb9")
    assert pins.spi(b"\x9f", 3) == b"\xff" * 3
    pins.spi(b"\xab")
    pins.wait(3 * US)
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("9D 60 18")


def test_qpi_of_issi_by_35h_and_f5h() -> None:
    pins = Pins(IS)
    pins.spi(b"\x35")
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("9D 60 18")
    pins.qpi(b"\xf5")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("9D 60 18")


# SST26


def unlocked() -> Pins:
    pins = Pins(SST)
    pins.spi(b"\x06")
    pins.spi(b"\x98")
    return pins


def test_98h_needs_write_enable_and_uses_it_up() -> None:
    pins = Pins(SST)
    pins.spi(b"\x98")
    assert pins.chip.protected(0, 4096)  # type: ignore[attr-defined]
    pins = unlocked()
    assert pins.status == 0x00
    assert not pins.chip.protected(0, 4096)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("address", "unit"),
    [
        ("000000", 8 << 10),
        ("007FFF", 8 << 10),
        ("008000", 32 << 10),
        ("00FFFF", 32 << 10),
        ("010000", 64 << 10),
        ("7EFFFF", 64 << 10),
        ("7F0000", 32 << 10),
        ("7F8000", 8 << 10),
        ("7FFFFF", 8 << 10),
    ],
)
def test_d8h_erases_8_32_or_64_kib_by_address(address: str, unit: int) -> None:
    pins = unlocked()
    pins.write(bytes.fromhex("D8" + address))
    assert pins.chip.stats.erases == {unit: 1}


def test_bit_7_of_the_status_repeats_busy() -> None:
    pins = unlocked()
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.status == 0x83


def test_one_byte_of_01h_leaves_the_configuration() -> None:
    pins = Pins(SST, quad_enable=True)
    pins.write(bytes.fromhex("01 00"))
    assert pins.spi(b"\x35", 1) == b"\x02"


def test_quad_enable_of_the_sst26_is_lost_without_power() -> None:
    pins = Pins(SST)
    pins.write(bytes.fromhex("01 00 02"))
    assert pins.spi(b"\x35", 1) == b"\x02"
    pins.chip.power_cycle()
    assert pins.spi(b"\x35", 1) == b"\x00"


def test_suspend_of_the_sst26_is_b0h_alone() -> None:
    pins = unlocked()
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x75")
    assert pins.status & 1
    pins.spi(b"\xb0")
    pins.finish()
    assert pins.status & 1 == 0
    pins.spi(b"\x7a")
    assert pins.status & 1 == 0
    pins.spi(b"\x30")
    assert pins.status & 1


def test_io3_of_the_sst26_is_hold_while_quad_enable_is_clear() -> None:
    for quad, heard in ((False, False), (True, True)):
        pins = Pins(SST, quad_enable=quad)
        pins.send(on_one_line(b"\x06", others=0b0100))
        assert (pins.status == 0x02) is heard
