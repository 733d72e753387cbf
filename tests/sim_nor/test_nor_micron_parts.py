"""N25Q256A and MT25Q: address modes, extended IDs, and the instructions in which the parts differ."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import N25Q, Pins, on_four_lines, on_one_line

N25Q256, HIGH = "N25Q256A13", 0x0100_0000


def ear(pins: Pins, value: int) -> None:
    pins.spi(b"\x06")
    pins.spi(bytes([0xC5, value]))


@pytest.mark.parametrize("name", [N25Q256, "MT25QL256ABA"])
def test_the_extended_address_register_counts_in_3_byte_mode_alone(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[0], pins.chip.array[HIGH] = 0x11, 0x22
    pins.spi(bytes.fromhex("C5 01"))
    assert pins.spi(b"\xc8", 1) == b"\x00", "needs write enable"
    ear(pins, 1)
    assert (pins.spi(b"\xc8", 1), pins.status) == (b"\x01", 0x00)
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x22"
    pins.write(bytes.fromhex("02 000100 5A"))
    assert (pins.chip.array[0x100], pins.chip.array[HIGH + 0x100]) == (0xFF, 0x5A)
    pins.write(bytes.fromhex("20 000000"))
    assert (pins.chip.array[0], pins.chip.array[HIGH]) == (0x11, 0xFF)
    pins.spi(b"\x06")
    pins.spi(b"\xb7")
    assert pins.spi(bytes.fromhex("03 00000000"), 1) == b"\x11"
    pins.spi(b"\x06")
    pins.spi(b"\xe9")
    pins.chip.power_cycle()
    assert pins.spi(b"\xc8", 1) == b"\x00"


def test_nvcr_bit_1_selects_the_segment_after_power_up() -> None:
    pins = Pins(N25Q256, registers=(("nvcr", 0xFFFD),))
    pins.chip.array[0], pins.chip.array[HIGH] = 0x11, 0x22
    assert pins.spi(bytes.fromhex("03 000000"), 1) == b"\x22"


def test_nvcr_bit_0_selects_4_byte_mode_after_power_up() -> None:
    pins = Pins(N25Q256, registers=(("nvcr", 0xFFFE),))
    pins.chip.array[HIGH] = 0x22
    assert pins.spi(b"\x70", 1) == b"\x81"
    assert pins.spi(bytes.fromhex("03 01000000"), 1) == b"\x22"


def test_small_parts_have_no_extended_address_register() -> None:
    pins = Pins(N25Q)
    ear(pins, 1)
    assert pins.spi(b"\xc8", 1) == b"\xff"


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        ("MT25QL128ABA", "20 BA 18 10 44 00"),
        ("MT25QL128ABA1", "20 BA 18 10 40 00"),
        ("MT25QL256ABA", "20 BA 19 10 44 00"),
        ("MT25QL256ABA1", "20 BA 19 10 40 00"),
        (N25Q256, "20 BA 19 10 00 00"),
    ],
)
def test_extended_ids(name: str, extended: str) -> None:
    assert Pins(name).spi(b"\x9f", 6) == bytes.fromhex(extended)


def test_after_the_id_come_14_bytes_of_factory_data_and_then_nothing() -> None:
    pins = Pins(N25Q, unique_id=bytes(range(1, 15)))
    assert pins.spi(b"\x9f", 22) == bytes.fromhex("20 BA 18 10 00 00") + bytes(range(1, 15)) + b"\xff\xff"


def test_mt25q_enters_and_leaves_the_quad_protocol_by_35h_and_f5h() -> None:
    pins = Pins("MT25QL128ABA")
    pins.spi(b"\x35")
    assert pins.qpi(b"\xaf", 3) == bytes.fromhex("20 BA 18")
    pins.qpi(b"\xf5")
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_the_quad_program_of_mt25q_is_38h() -> None:
    for name, opcode in ((N25Q, b"\x12"), ("MT25QL128ABA", b"\x38")):
        pins = Pins(name)
        pins.spi(b"\x06")
        pins.send(on_one_line(opcode) + on_four_lines(bytes.fromhex("000100 5A")))
        pins.finish()
        assert pins.chip.array[0x100] == 0x5A


@pytest.mark.parametrize("opcode", ["13", "0C", "6C", "EC", "12", "34", "3E"])
def test_opcodes_of_four_address_bytes_are_for_large_parts(opcode: str) -> None:
    """flashrom gives MT25QL128 none; its data sheet's front page names no 4-byte mode."""
    for name in ("MT25QL128ABA", "MT25QL128ABA1"):
        pins = Pins(name)
        pins.chip.array[:256] = bytes(256)
        pins.spi(b"\x06")
        assert pins.spi(bytes.fromhex(opcode + "00000000") + b"\xff" * 2, 4) == b"\xff" * 4
        assert pins.idle
