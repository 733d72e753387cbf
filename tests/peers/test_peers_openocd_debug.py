"""OpenOCD as a debugger and as one who changes protection: breakpoints, steps, resets, option bytes."""

from __future__ import annotations

import re

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.images import CODE_OFFSET, FLASH_BASE, STACK_TOP, firmware
from peers.openocd_client import openocd_version, run_openocd

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")

ENTRY = FLASH_BASE + CODE_OFFSET
LOOP_END = ENTRY + 4
SIZE = 3_000


@pytest.fixture
def board() -> SimulatedBoard:
    board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.in_memory())
    board.flash.array[:SIZE] = firmware(SIZE, seed=7)
    board.reset(halt=False)
    return board


def registers(output: str, name: str) -> list[int]:
    return [int(value, 16) for value in re.findall(rf"^{name} \(/32\): (0x[0-9a-f]+)", output, re.MULTILINE)]


def test_reset_halt_stops_at_the_vector_with_the_stack_loaded(board: SimulatedBoard) -> None:
    run = run_openocd(board, "reset halt", "reg pc", "reg sp")
    assert run.returncode == 0, run.output
    assert registers(run.output, "pc") == [ENTRY]
    assert registers(run.output, "sp") == [STACK_TOP]


def test_a_hardware_breakpoint_in_flash_is_met_once_a_round(board: SimulatedBoard) -> None:
    again = ("resume", "wait_halt 1000", "reg r0")
    run = run_openocd(board, "reset halt", f"bp {LOOP_END:#x} 2 hw", *again, *again, "reg pc")
    assert run.returncode == 0, run.output
    assert registers(run.output, "r0") == [1, 2]
    assert registers(run.output, "pc") == [LOOP_END]


def test_a_single_step_executes_one_instruction(board: SimulatedBoard) -> None:
    step = ("step", "reg pc")
    run = run_openocd(board, "reset halt", *step, *step, *step)
    assert run.returncode == 0, run.output
    assert registers(run.output, "pc") == [ENTRY + 2, ENTRY + 4, ENTRY + 2]


def test_code_runs_on_while_openocd_sleeps(board: SimulatedBoard) -> None:
    """16 MHz and a loop of two instructions: ten milliseconds are at least 10,000 rounds."""
    run = run_openocd(board, "reset run", "sleep 10", "halt", "reg r0")
    assert run.returncode == 0, run.output
    assert registers(run.output, "r0")[0] > 10_000


def test_a_write_protected_sector_refuses_until_openocd_lifts_the_protection(board: SimulatedBoard) -> None:
    erase = ("reset init", "flash erase_sector 0 0 0")
    before = bytes(board.flash.array)

    refused = run_openocd(board, "reset init", "flash protect 0 0 0 on", *erase)
    assert refused.returncode != 0
    assert "stm32x device protected" in refused.output
    assert board.flash.array == before

    lifted = run_openocd(board, "reset init", "flash protect 0 0 0 off", *erase)
    assert lifted.returncode == 0, lifted.output
    assert set(board.flash.array[:0x8000]) == {0xFF}
