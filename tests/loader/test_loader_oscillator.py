"""The loader runs from the internal oscillator, which is off by -8 to +4.5 % over temperature (DS10916):
the core is never above its limit, and no operation that its data sheet still allows is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loader_boards import N25Q128, make_board
from target_link import TargetLink

from boardflash.description.load import load_board, load_chip
from boardflash.errors import BoardflashError
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.program.work import qspi_clock_hz
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.options import SimOptions
from boardflash.sim.rcc import HSI_PPM
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from cuts import shared_loader
from rig import Rig, board_named

FLASH, WINDOW = 0x0800_0000, 0x9000_0000
DISCO = "stm32f746g-disco"
SLOWEST, FASTEST = HSI_PPM[0], HSI_PPM[-1]
EXTREMES = (SLOWEST, FASTEST)
UNMEASURED_MV = 0  # the flash is then erased and programmed at x8, the width with the longest maxima
SECTOR_4_TO_7 = 0x4_0000
JUST_LEGAL = 4.28  # of N25Q128A's typical 700 ms for 64 KiB: 2,996 ms of the 3,000 that are allowed

Start = Callable[..., tuple[SimulatedBoard, LoaderSession]]


@pytest.fixture
def start() -> Start:
    def run(hsi_ppm: int, erase_time_factor: float = JUST_LEGAL) -> tuple[SimulatedBoard, LoaderSession]:
        faults = {"hsi_ppm": str(hsi_ppm), "erase_time_factor": str(erase_time_factor)}
        slow = SimOptions(flash_typ_ratio=1.0, flash_program_us=100.0)
        board = SimulatedBoard(with_faults(load_twin(DISCO), faults).twin, BoardState.in_memory("7"), slow)
        session = LoaderSession(TargetLink(board), shared_loader())
        session.start(UNMEASURED_MV)
        session.identify_chip()
        session.select_chip(0)
        return board, session

    return run


@pytest.mark.parametrize("hsi_ppm", EXTREMES)
def test_the_slowest_erases_that_the_data_sheets_allow_are_waited_for(start: Start, hsi_ppm: int) -> None:
    board, session = start(hsi_ppm)
    board.flash.array[SECTOR_4_TO_7:] = bytes(len(board.flash.array) - SECTOR_4_TO_7)
    board.chip.array[:65536] = bytes(65536)
    begun = session.link.now()
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + SECTOR_4_TO_7, 0x4_0000), 10)
    assert session.link.now() - begun == pytest.approx(4.0, abs=0.01), "the maximum for 256 KiB at x8"
    begun = session.link.now()
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 65536), 10)
    assert session.link.now() - begun == pytest.approx(2.996, abs=0.01)
    assert bytes(board.flash.array[SECTOR_4_TO_7 : 2 * SECTOR_4_TO_7]) == b"\xff" * SECTOR_4_TO_7
    assert bytes(board.chip.array[:65536]) == b"\xff" * 65536
    assert not board.violations


@pytest.mark.parametrize("hsi_ppm", EXTREMES)
def test_words_that_take_their_maximum_are_programmed(start: Start, hsi_ppm: int) -> None:
    board, session = start(hsi_ppm)
    session.link.write_memory(session.buffers_base, bytes(range(256)))
    session.run(REGION_INTERNAL, Command(Operation.PROGRAM, FLASH, 256, session.buffers_base), 10)
    assert bytes(board.flash.array[:256]) == bytes(range(256))
    assert not board.violations


@pytest.mark.parametrize("hsi_ppm", EXTREMES)
def test_an_erase_that_never_ends_is_given_up_by_the_loader_within_the_hosts_patience(
    start: Start, hsi_ppm: int
) -> None:
    _, session = start(hsi_ppm, 40.0)
    clock = board_named(DISCO).mcu.clock
    begun = session.link.now()
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 65536), 20)
    assert caught.value.result.status == Status.TIMEOUT
    assert 3.0 < session.link.now() - begun < clock.patience_s(3000) + 0.01


@pytest.mark.parametrize("hsi_ppm", EXTREMES)
def test_the_core_is_never_above_its_limit(start: Start, hsi_ppm: int) -> None:
    board, _ = start(hsi_ppm)
    assert board.rcc.hclk_hz == 168_000_000 * (1_000_000 + hsi_ppm) // 1_000_000
    assert not board.violations


@pytest.mark.parametrize("hsi_ppm", EXTREMES)
def test_a_whole_flash_at_both_ends_of_the_oscillator(tmp_path: Path, hsi_ppm: int) -> None:
    """Host and loader together, with erases that take 4.28 times their typical time."""
    image = {FLASH: bytes(range(1, 256)) * 200, WINDOW: bytes(range(251)) * 400}
    rig = Rig(
        tmp_path, faults={"hsi_ppm": str(hsi_ppm), "erase_time_factor": str(JUST_LEGAL), "start": "noise"}
    )
    rig.flash(image)
    for region, base in (("internal", FLASH), ("qspi", WINDOW)):
        assert rig.memory(region)[: len(image[base])] == image[base]


@pytest.mark.parametrize("name", ["mx25l12833f", "mx25l51245g", "w25q128jv", "n25q128a13"])
def test_the_bus_clock_keeps_the_chips_limit_even_when_the_oscillator_is_fast(name: str) -> None:
    chip = load_chip(name)
    described = make_board(chips=(chip,))
    assert described.qspi is not None
    open_board = replace(described, qspi=replace(described.qspi, clock_hz_max=200_000_000))
    clock_hz = qspi_clock_hz(open_board, chip)
    assert clock_hz * 1.045 <= chip.read.clock_hz_max
    divider = open_board.mcu.clock.hclk_hz // clock_hz
    assert divider == 1 or 168_000_000 * 1.045 / (divider - 1) > chip.read.clock_hz_max, (
        "and no slower than that"
    )


def test_the_loader_takes_the_same_divider(tmp_path: Path) -> None:
    chip = load_chip("mx25l12833f")
    described = make_board(chips=(chip,))
    assert described.qspi is not None
    open_board = replace(described, qspi=replace(described.qspi, clock_hz_max=200_000_000))
    build_loader(open_board, tmp_path, Toolchain.zig())
    assert ".prescaler = 2," in (tmp_path / "board_data.c").read_text(), (
        "84 MHz may be 87.8; the chip allows 84"
    )


def test_every_limit_of_the_loader_has_a_tenth_to_spare(tmp_path: Path) -> None:
    build_loader(make_board(chips=(N25Q128,)), tmp_path, Toolchain.zig())
    data = (tmp_path / "board_data.c").read_text()
    defines = (tmp_path / "board_data.h").read_text()
    assert ".size = 262144u, .count = 3u, .erase_max_ms = 4400u" in data
    assert ".program_max_ms = 6u" in data, "5 ms a page"
    for erase in (*N25Q128.erases, N25Q128.chip_erase):
        assert f".max_ms = {-(-erase.max_ms * 11 // 10)}u" in data
    assert f"#define BOARD_BUSY_MAX_MS {N25Q128.chip_erase.max_ms * 11 // 10}u" in defines


@pytest.mark.parametrize("name", ["stm32f746g-disco", "weact-h743"])
def test_the_spare_time_is_more_than_the_oscillator_may_be_fast(name: str) -> None:
    assert load_board(name).mcu.clock.hsi_fast_ppm < 100_000


@pytest.mark.parametrize("value", ["46000", "-80001", "x", "1.5"])
def test_an_oscillator_beyond_its_data_sheet_is_refused(value: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        with_faults(load_twin(DISCO), {"hsi_ppm": value})
    assert str(caught.value) == f"--fault hsi_ppm={value}: expected a whole number from -80000 to 45000"
