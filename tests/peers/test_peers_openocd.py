"""Debian's OpenOCD, unmodified, with its stock target/stm32f7x.cfg, flashes the simulated board.

It shares no line with our loader or our model: its algorithms, its register sequences and its checks
come from people who had the real part. It attaches to the plain `Target` over JTAG.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.images import assets, firmware
from peers.openocd_client import OpenocdRun, openocd_version, run_openocd

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")

INTERNAL = 0x08000000
WINDOW = 0x90000000
FIRMWARE_SIZE = 70_000  # ends inside the third 32 KiB sector
ASSETS_SIZE = 70_001  # two 64 KiB sectors, the last page in part
USED = 0x40000  # of the QSPI chip; OpenOCD never gets beyond
MICRON = "stm32f746g-disco"
WINBOND = "stm32f746g-disco-c03"


@dataclass(frozen=True)
class Session:
    board: SimulatedBoard
    run: OpenocdRun
    image: bytes
    before: bytes
    after: bytes


def used_board(twin: str) -> SimulatedBoard:
    """A board whose memories hold something else, so that a missing erase shows."""
    board = SimulatedBoard(replace(load_twin(twin), start="noise"), BoardState.in_memory())
    board.chip.array[:USED] = assets(USED, seed=2)
    return board


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "image.bin"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def internal(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Internal flash over old content: erase, program, verify by OpenOCD's own CRC on the target."""
    image = firmware(FIRMWARE_SIZE, seed=1)
    board = used_board(MICRON)
    before = bytes(board.flash.array)
    path = saved(tmp_path_factory.mktemp("internal"), image)
    run = run_openocd(board, f"program {path} {INTERNAL:#x} verify")
    board.save()
    return Session(board, run, image, before, bytes(board.state.internal))


def test_internal_flash_is_programmed_and_verified_by_openocd(internal: Session) -> None:
    assert internal.run.returncode == 0, internal.run.output
    assert "** Verified OK **" in internal.run.output


def test_internal_flash_holds_the_image_and_its_sectors_are_clean(internal: Session) -> None:
    content = internal.after
    assert content[:FIRMWARE_SIZE] == internal.image
    assert content[FIRMWARE_SIZE:0x18000] == b"\xff" * (0x18000 - FIRMWARE_SIZE)
    assert content[0x18000:] == internal.before[0x18000:]


def test_openocd_finds_the_mcu_that_is_soldered(internal: Session) -> None:
    assert "device id = 0x10010449" in internal.run.output
    assert "flash size = 1024" in internal.run.output


@pytest.fixture(scope="module", params=[MICRON, WINBOND])
def qspi(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The QSPI chip over old content: erase, write, CRC by loader, compare through the window."""
    image = assets(ASSETS_SIZE, seed=3)
    board = used_board(request.param)
    before = bytes(board.chip.array)
    path = saved(tmp_path_factory.mktemp("qspi"), image)
    run = run_openocd(
        board,
        "reset init",
        "flash probe 3",
        f"flash write_image erase {path} {WINDOW:#x}",
        f"flash verify_bank 3 {path} 0",
        f"verify_image {path} {WINDOW:#x}",
        settings={"PLL": 0},
    )
    board.save()
    return Session(board, run, image, before, bytes(board.state.qspi))


def test_qspi_chip_is_found_by_its_jedec_id(qspi: Session) -> None:
    name = {MICRON: r"'micron n25q128'.*id = 0x18ba20", WINBOND: r"'win w25q128.*id = 0x1840ef"}
    assert re.search(name[qspi.board.twin.name], qspi.run.output), qspi.run.output
    assert re.search(r"size = 16384\s?KiB", qspi.run.output), qspi.run.output


def test_qspi_chip_is_written_and_verified_by_openocd(qspi: Session) -> None:
    assert qspi.run.returncode == 0, qspi.run.output
    assert re.search(r"wrote \d+ bytes from file.*", qspi.run.output), qspi.run.output
    assert "contents match" in qspi.run.output
    assert re.search(rf"verified {ASSETS_SIZE} bytes", qspi.run.output)


def test_qspi_chip_holds_the_image_and_its_sectors_are_clean(qspi: Session) -> None:
    content = qspi.after
    assert content[:ASSETS_SIZE] == qspi.image
    assert content[ASSETS_SIZE:0x20000] == b"\xff" * (0x20000 - ASSETS_SIZE)
    assert content[0x20000:] == qspi.before[0x20000:]


def test_qspi_chip_takes_openocds_loader_at_160_mhz_too(tmp_path: Path) -> None:
    """The stock reset handler's clocks: 40 MHz on the bus, and far more polls for each page."""
    image = assets(1_500, seed=5)
    board = used_board(MICRON)
    path = saved(tmp_path, image)
    write = f"flash write_image erase {path} {WINDOW:#x}"
    run = run_openocd(board, "reset init", write, f"flash verify_bank 3 {path} 0")
    assert run.returncode == 0, run.output
    assert board.rcc.hclk_hz == 160_000_000
    assert "contents match" in run.output
    assert board.chip.array[: len(image)] == image


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [("IO0_AF", "Error: timeout\n"), ("QSPI_CLOCK", "No QSPI, no OCTOSPI at 0xa0001000")],
)
def test_a_wrong_board_file_fails_to_find_the_chip(setting: str, complaint: str) -> None:
    """IO0 on alternate function 0: the status reads FFh, busy for ever. No clock: no registers."""
    board = used_board(MICRON)
    before = bytes(board.chip.array)
    run = run_openocd(board, "reset init", "flash probe 3", settings={setting: 0})
    assert run.returncode != 0, run.output
    assert complaint in run.output
    assert board.chip.array == before
