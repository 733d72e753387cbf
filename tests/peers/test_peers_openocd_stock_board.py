"""OpenOCD's own board/stm32f746g-disco.cfg, as Debian ships it, brings up the simulated STM32F746G-DISCO.

Pins, clocks (192 MHz), the F5h that leaves QPI, prescaler and FSIZE are all the stock file's; only the
ST-LINK that it asks for is replaced, by openocd/shadow/interface/stlink.cfg.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.images import assets
from peers.openocd_client import STOCK_BOARD_FILE, openocd_version, run_openocd

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")

WINDOW = 0x90000000
SIZE = 1_500
DISCO = "stm32f746g-disco"
DISCO_C03 = "stm32f746g-disco-c03"


@pytest.mark.parametrize("twin", [DISCO, DISCO_C03])
def test_the_stock_board_file_writes_and_verifies_the_qspi_chip(twin: str, tmp_path: Path) -> None:
    image = assets(SIZE, seed=10)
    path = tmp_path / "image.bin"
    path.write_bytes(image)
    board = SimulatedBoard(load_twin(twin), BoardState.in_memory())
    run = run_openocd(
        board,
        "reset init",
        f"flash write_image erase {path} {WINDOW:#x}",
        f"flash verify_bank 3 {path} 0",
        f"verify_image {path} {WINDOW:#x}",
        board_file=STOCK_BOARD_FILE,
    )
    assert run.returncode == 0, run.output
    assert "contents match" in run.output
    assert f"verified {SIZE} bytes" in run.output
    board.save()
    assert board.state.qspi[:SIZE] == image


def test_the_stock_board_files_192_mhz_without_over_drive_are_noticed() -> None:
    """It works on the bench, too, and is outside the data sheet all the same (facts/stm32f7.md section 3)."""
    board = SimulatedBoard(load_twin(DISCO), BoardState.in_memory())
    run = run_openocd(board, "reset init", board_file=STOCK_BOARD_FILE)
    assert run.returncode == 0, run.output
    assert board.rcc.hclk_hz == 192_000_000
    assert [violation.rule for violation in board.violations] == ["over_drive"]


def test_the_same_file_finds_no_chip_on_a_board_with_other_pins() -> None:
    """IO0 on PC9, as on the STM32F769I-DISCO: the mistake of whoever takes another board's loader."""
    disco = load_twin(DISCO)
    wiring = {pin: line for pin, line in disco.wiring.items() if line != "io0"} | {"PC9": "io0"}
    board = SimulatedBoard(replace(disco, wiring=wiring), BoardState.in_memory())
    run = run_openocd(board, "reset init", "flash probe 3", board_file=STOCK_BOARD_FILE)
    assert run.returncode != 0, run.output
    assert "Error: timeout\n" in run.output
