"""Reset bits of RCC (RM0385 5.3.5 to 5.3.9): a pulse resets registers; what is held in reset does nothing."""

from __future__ import annotations

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.target import BusFault
from sim_core.guest import put, run, word

RCC = 0x40023800
AHB1RSTR, AHB3RSTR, APB1RSTR, AHB1ENR, AHB3ENR, APB1ENR = (
    RCC + n for n in (0x10, 0x18, 0x20, 0x30, 0x38, 0x40)
)
GPIOB, GPIOD, PWR_CR1, QUADSPI_CR, QUADSPI_DCR = 0x40020400, 0x40020C00, 0x40007000, 0xA0001000, 0xA0001004
WINDOW = 0x90000000
CASES = [
    pytest.param(AHB1ENR, 1, GPIOB, 0x280, 0x2A0, id="gpiob"),
    pytest.param(AHB1ENR, 3, GPIOD, 0, 0x12345678, id="gpiod"),
    pytest.param(AHB3ENR, 1, QUADSPI_DCR, 0, 0x170100, id="quadspi"),
    pytest.param(APB1ENR, 28, PWR_CR1, 0xC000, 0x3C000, id="pwr"),
]


def clock(board: SimulatedBoard, register: int, bit: int) -> int:
    """On; the address of the reset register."""
    put(board, register, word(board, register) | 1 << bit)
    return register - 0x20


@pytest.mark.parametrize(("enable", "bit", "address", "after_reset", "value"), CASES)
def test_a_pulse_resets_the_registers(
    board: SimulatedBoard, enable: int, bit: int, address: int, after_reset: int, value: int
) -> None:
    reset = clock(board, enable, bit)
    put(board, address, value)
    assert word(board, address) == value
    put(board, reset, 1 << bit)
    put(board, reset, 0)
    assert word(board, address) == after_reset
    put(board, address, value)
    assert word(board, address) == value


@pytest.mark.parametrize(("enable", "bit", "address", "after_reset", "value"), CASES)
def test_what_is_held_in_reset_takes_no_write(
    board: SimulatedBoard, enable: int, bit: int, address: int, after_reset: int, value: int
) -> None:
    reset = clock(board, enable, bit)
    put(board, reset, 1 << bit)
    put(board, address, value)
    assert word(board, address) == 0
    put(board, reset, 0)
    assert word(board, address) == after_reset


def test_the_core_finds_it_so_in_the_middle_of_its_accesses(board: SimulatedBoard) -> None:
    source = """
        ldr r0, =0x40023800
        ldr r1, =0xA0001004
        movs r2, #2
        str r2, [r0, #0x38]
        ldr r3, =0x170100
        str r3, [r1]
        ldr r4, [r1]
        str r2, [r0, #0x18]
        str r3, [r1]
        ldr r5, [r1]
        movs r6, #0
        str r6, [r0, #0x18]
        ldr r7, [r1]
        bkpt
        .ltorg
    """
    run(board, source)
    assert [board.read_register(n) for n in (4, 5, 7)] == [0x170100, 0, 0]


def test_pins_of_a_port_in_reset_reach_nothing(board: SimulatedBoard) -> None:
    reset = clock(board, AHB1ENR, 3)
    put(board, GPIOD, 2 << 22)
    put(board, GPIOD + 0x24, 9 << 12)
    assert board.pads.reaches("io0")
    put(board, reset, 1 << 3)
    assert not board.pads.reaches("io0")
    put(board, reset, 0)
    assert not board.pads.reaches("io0"), "its mode was reset, too"


def test_the_window_of_a_controller_in_reset_is_closed(board: SimulatedBoard) -> None:
    reset = clock(board, AHB3ENR, 1)
    put(board, QUADSPI_DCR, 0x170100)
    put(board, QUADSPI_CR, 1)
    put(board, QUADSPI_CR + 0x14, 0x0D002503)
    assert word(board, WINDOW) == 0xFFFFFFFF
    put(board, reset, 2)
    with pytest.raises(BusFault, match="held in reset"):
        word(board, WINDOW)
    put(board, reset, 0)
    with pytest.raises(BusFault, match="not enabled"):
        word(board, WINDOW)
