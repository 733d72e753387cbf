"""OpenOCD's configuration, read as Tcl has it; how OpenOCD itself takes it: tests/peers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from boardflash.description.load import list_boards, load_board
from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.export.openocd import config

DISCO = "stm32f746g-disco"


def writes(text: str) -> list[tuple[int, int, int]]:
    """Every mmw of constants: address, bits to set, bits to clear."""
    found = re.findall(r"^\tmmw (0x\w+) (0x\w+|0) (0x\w+|0) ?(?:;|$)", text, re.M)
    return [(int(a, 0), int(s, 0), int(c, 0)) for a, s, c in found]


def registers_after(text: str, reset: dict[int, int]) -> dict[int, int]:
    values = dict(reset)
    for address, set_bits, clear_bits in writes(text):
        values[address] = values.get(address, 0) & ~clear_bits | set_bits
    return values


@pytest.mark.parametrize("name", [entry.name for entry in list_boards()])
@pytest.mark.parametrize("noise", [0, 0xFFFFFFFF])
def test_pins_are_as_the_board_file_has_them_whatever_stood_there(name: str, noise: int) -> None:
    """The GPIO registers of RM0385 chapter 6, read back field by field."""
    board = load_board(name)
    assert board.qspi is not None
    text = config(board)
    touched = {address for address, _, _ in writes(text)}
    values = registers_after(text, dict.fromkeys(touched, noise))
    expected: dict[int, int] = {}
    for pin in board.qspi.pins:
        base = board.mcu.gpio_base + pin.port * board.mcu.gpio_stride
        for offset, width, value in (
            (0x00, 2, 0b10),
            (0x04, 1, 0),
            (0x08, 2, 0b11),
            (0x0C, 2, 0 if pin.signal in ("clk", "io0") else 0b01),
            (0x20 + 4 * (pin.number // 8), 4, pin.function),
        ):
            shift = width * (pin.number % 8 if offset >= 0x20 else pin.number)
            assert values.get(base + offset, noise) >> shift & ((1 << width) - 1) == value, (pin, offset)
            expected[base + offset] = expected.get(base + offset, 0) | ((1 << width) - 1) << shift
    for address, mask in expected.items():
        assert (values.get(address, noise) ^ noise) & ~mask == 0, "other pins stay as they are"


@pytest.mark.parametrize("name", [entry.name for entry in list_boards()])
def test_clocks_come_before_what_they_drive(name: str) -> None:
    board = load_board(name)
    order = [address for address, _, _ in writes(config(board).split("proc board_qspi_start")[1])]
    ports = range(board.mcu.gpio_base, board.mcu.gpio_base + 11 * board.mcu.gpio_stride)
    first_pin = min(order.index(address) for address in order if address in ports)
    for address in (board.mcu.clock.gpio_enable.address, board.mcu.clock.qspi_enable.address):
        assert address in order[:first_pin]


def test_fsize_is_the_chips_on_f7_and_one_more_on_h7() -> None:
    assert " 0x00170700 " in chips(load_board(DISCO))  # 16 MiB: FSIZE 23
    assert " 0x00170700 " in chips(load_board("weact-h743"))  # 8 MiB: 22, and one for the silicon
    assert " 0x00160700 " not in config(load_board("weact-h743"))


def chips(board: Board) -> str:
    found = re.search(r"set BOARD_CHIPS \{\n(.*?)\n\}", config(board), re.S)
    assert found
    return found[1]


def test_the_longer_jedec_id_is_asked_first() -> None:
    board = load_board(DISCO)
    assert board.qspi is not None
    long = replace(board.qspi.chips[0], name="mt25", jedec_ids=(bytes.fromhex("20BA18104400"),))
    both = replace(board, qspi=replace(board.qspi, chips=(board.qspi.chips[0], long)))
    assert re.findall(r"\{ \{.*?\} (\w+)", chips(both)) == ["mt25", "n25q128a13"]


def test_the_bus_keeps_the_boards_limit() -> None:
    board = load_board(DISCO)
    assert board.qspi is not None
    slow = replace(board, qspi=replace(board.qspi, clock_hz_max=9_000_000))
    assert ";# CR: 17.7778 MHz, bank 1" in config(board), "20 MHz, and the oscillator may be 4.5 % fast"
    assert ";# CR: 8.42105 MHz, bank 1" in config(slow)
    assert "mww 0xa0001000 0x12000080" in config(replace(slow, qspi=replace(slow.qspi, bank=2)))  # type: ignore[type-var]


def test_no_adapter_is_chosen_and_no_speed_set_that_it_may_lack() -> None:
    text = config(load_board(DISCO))
    assert not re.search(
        r"^\s*(adapter (driver|speed|serial)|transport select|source \[find interface)", text, re.M
    )
    assert "catch { adapter speed $khz }" in text


def test_a_title_cannot_end_its_comment() -> None:
    text = config(replace(load_board(DISCO), title="Board\nshutdown\r\n"))
    assert text.startswith("# Board shutdown (STM32F746NG) for OpenOCD 0.12")


def test_a_board_without_qspi_gets_its_internal_flash_alone() -> None:
    text = config(replace(load_board(DISCO), qspi=None))
    assert "stmqspi" not in text and "qspi" not in text
    assert "source [find target/stm32f7x.cfg]" in text


def test_a_board_with_connect_under_reset_says_so() -> None:
    board = load_board(DISCO)
    under = replace(board, probe=replace(board.probe, connect_under_reset=True))
    assert "connect_assert_srst" in config(under)
    assert "connect_assert_srst" not in config(board)


def test_a_die_that_we_know_no_target_file_of_is_refused() -> None:
    board = load_board(DISCO)
    other = replace(board, mcu=replace(board.mcu, name="stm32z1", title="STM32Z1"))
    with pytest.raises(BoardflashError, match="no OpenOCD target file for STM32Z1"):
        config(other)
