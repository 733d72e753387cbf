"""What wrongly read bytes look like: a cause, made by the arithmetic of the lines, is the one named."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardflash.description.load import load_chip
from boardflash.description.model import Lines
from boardflash.program.reads import causes_of_program, causes_of_read

CHIP = load_chip("w25q128jv")
DUAL = replace(CHIP, read=replace(CHIP.read, lines=Lines(1, 2, 2)))
FOUR = load_chip("w25q256jv")
RIGHT = random.Random(1).randbytes(64)


def line_always(data: bytes, line: int, level: int) -> bytes:
    bits = (1 << line) | (1 << (line + 4))
    return bytes((byte & ~bits & 0xFF) | (bits if level else 0) for byte in data)


def late(data: bytes, clocks: int, before: str = "f") -> bytes:
    """Four lines carry a nibble a clock."""
    return bytes.fromhex((before * clocks + data.hex())[: 2 * len(data)])


def early(data: bytes, clocks: int) -> bytes:
    return bytes.fromhex((data.hex()[clocks:] + "0" * clocks)[: 2 * len(data)])


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_line_that_does_not_reach_the_chip_is_named(line: int, level: int) -> None:
    assert causes_of_read(RIGHT, line_always(RIGHT, line, level), CHIP) == (
        f"bits {line} and {line + 4} of every byte always read {level}: fits io{line} on another pin, or open"
    )


@pytest.mark.parametrize("byte", [0x00, 0x88, 0xFF])
def test_bytes_that_are_all_alike_come_from_a_chip_that_drives_nothing(byte: int) -> None:
    assert causes_of_read(RIGHT, bytes([byte]) * 64, CHIP) == (
        f"every byte reads {byte:02X}h, as from lines that the chip does not drive: fits quad enable being"
        " clear, a read opcode that this chip does not have, io2 or io3 on another pin"
    )


@given(st.integers(1, 12), st.integers())
def test_a_dummy_count_is_told_by_the_clocks_of_the_shift(clocks: int, seed: int) -> None:
    right = random.Random(seed).randbytes(64)
    cycles = f"fits {clocks} dummy cycle{'' if clocks == 1 else 's'}"
    assert f"{cycles} more" in causes_of_read(right, late(right, clocks), CHIP)
    assert f"{cycles} fewer" in causes_of_read(right, early(right, clocks), CHIP)


def test_exchanged_lines_are_told_as_such() -> None:
    swapped = bytes((b & 0x33) | (b & 0x44) << 1 | (b & 0x88) >> 1 for b in RIGHT)
    told = "bits 2 and 3 of every nibble are exchanged: fits io2 and io3 on each other's pin"
    assert causes_of_read(RIGHT, swapped, CHIP) == told
    assert causes_of_program(RIGHT, swapped, bytes([0xFF]) * 64, CHIP) == told


@pytest.mark.parametrize(
    ("chip", "more"),
    [(CHIP, ""), (FOUR, ", or the address width")],
)
def test_bytes_of_another_place_fit_what_carries_the_address(chip: object, more: str) -> None:
    other = random.Random(2).randbytes(64)
    assert causes_of_read(RIGHT, other, chip) == (  # type: ignore[arg-type]
        "these are other bytes altogether: fits io2 or io3 on another pin (they carry the address, too), the"
        f" dummy cycles{more}"
    )


def test_a_line_that_carries_nothing_is_not_taken_for_one_that_is_open() -> None:
    """Bits 3 and 7 are clear in what is right, too."""
    right = bytes(byte & 0x77 for byte in RIGHT)
    assert causes_of_read(right, line_always(right, 2, 1), CHIP) == (
        "bits 2 and 6 of every byte always read 1: fits io2 on another pin, or open"
    )


def test_bytes_that_are_all_alike_show_no_shift() -> None:
    """One wrong byte before blank ones: every shift fits."""
    told = causes_of_read(bytes([0xFF]) * 64, b"\x0f" + bytes([0xFF]) * 63, CHIP)
    assert "dummy cycle more" not in told and "other bytes altogether" in told


def test_a_page_sent_on_one_line_shows_no_bits_of_io2() -> None:
    one = replace(CHIP, program=replace(CHIP.program, lines=Lines(1, 1, 1)))
    told = causes_of_program(RIGHT, line_always(RIGHT, 2, 1), bytes([0xFF]) * 64, one)
    assert told.startswith("other bytes were programmed: fits the line count of the program command (32h on")


def test_two_lines_show_no_bits_of_io2(  # the arithmetic above is that of four
) -> None:
    assert "other bytes altogether" in causes_of_read(RIGHT, line_always(RIGHT, 2, 1), DUAL)


def test_a_page_that_stayed_blank_was_not_programmed() -> None:
    blank = bytes([0xFF]) * 64
    assert causes_of_program(RIGHT, blank, blank, CHIP) == (
        "nothing was programmed: fits a program opcode or line count that this chip does not have"
        " (32h on 1-1-4), or quad enable being clear"
    )


@pytest.mark.parametrize(("lines", "names"), [((2,), "io2"), ((3,), "io3"), ((2, 3), "io2 and io3")])
def test_lines_that_are_wrong_while_programming_are_named(lines: tuple[int, ...], names: str) -> None:
    seen = RIGHT
    for line in lines:
        seen = line_always(seen, line, 1)
    assert causes_of_program(RIGHT, seen, bytes([0xFF]) * 64, CHIP) == (
        f"only bits that {names} carries are wrong: fits {names} on another pin, or open"
    )


def test_anything_else_is_left_open() -> None:
    other = random.Random(2).randbytes(64)
    assert causes_of_program(RIGHT, other, bytes([0xFF]) * 64, CHIP) == (
        "other bytes were programmed: fits the line count of the program command (32h on 1-1-4), io2 or io3"
        " on another pin, supply or signal quality"
    )
