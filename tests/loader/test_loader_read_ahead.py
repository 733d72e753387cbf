"""The core reads ahead on its own. Where that could hold it up or disturb a controller the loader has
closed the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loader_boards import make_board
from target_link import TargetLink

from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.options import SimOptions
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from cuts import shared_loader

FLASH, WINDOW = 0x0800_0000, 0x9000_0000
SECTOR = 0x4_0000


@pytest.fixture
def board() -> SimulatedBoard:
    """It reads ahead wherever it may, and a watchdog runs that a standing core would not refresh."""
    watched = {"option_bytes.optcr": hex(0xC0FFAAFD & ~(1 << 5)), "start": "noise"}
    twin = with_faults(load_twin("stm32f746g-disco"), watched).twin
    return SimulatedBoard(twin, BoardState.in_memory("7"), SimOptions(read_ahead=True))


@pytest.fixture
def session(board: SimulatedBoard) -> LoaderSession:
    session = LoaderSession(TargetLink(board), shared_loader())
    session.start(3300)
    session.identify_chip()
    session.select_chip(0)
    return session


def test_an_erase_of_internal_flash_does_not_hold_the_core_up(
    board: SimulatedBoard, session: LoaderSession
) -> None:
    """It goes on, works for the chip meanwhile, and refreshes the watchdog: a reset would end the loader."""
    erase = session.submit(REGION_INTERNAL, Command(Operation.ERASE, FLASH + SECTOR, SECTOR))
    session.digest(REGION_QSPI, WINDOW, 1 << 20, 1 << 16)
    assert not session.done(REGION_INTERNAL, erase), "the digest took a fraction of the erase's second"
    session.wait(REGION_INTERNAL, erase, 10)
    assert bytes(board.flash.array[SECTOR : 2 * SECTOR]) == b"\xff" * SECTOR
    assert board.violations == []


def test_so_with_the_whole_flash(board: SimulatedBoard, session: LoaderSession) -> None:
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH, 0), 60)
    assert set(board.flash.array) == {0xFF}
    assert board.violations == []


def test_afterwards_the_flash_can_be_read_again(board: SimulatedBoard, session: LoaderSession) -> None:
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + SECTOR, SECTOR), 10)
    assert session.read(REGION_INTERNAL, FLASH + SECTOR, 64) == b"\xff" * 64
    assert session.read(REGION_INTERNAL, FLASH, 64) == bytes(board.flash.array[:64])


def test_after_an_erase_that_was_refused_too(board: SimulatedBoard, session: LoaderSession) -> None:
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + 4, SECTOR), 10)
    assert caught.value.result.status == Status.BAD_COMMAND
    session.acknowledge(REGION_INTERNAL)
    assert session.read(REGION_INTERNAL, FLASH, 64) == bytes(board.flash.array[:64])


def test_after_an_erase_that_was_given_up_too(board: SimulatedBoard, session: LoaderSession) -> None:
    """The flash stays busy. Neither giving up nor a read of it makes the core wait along: the watchdog
    would bite."""
    board.flash._options = SimOptions(flash_typ_ratio=4.0)
    erase, read = Command(Operation.ERASE, FLASH + SECTOR, SECTOR), Command(Operation.READ, FLASH, 64, 0)
    for command in (erase, replace(read, buffer=session.buffers_base)):
        with pytest.raises(CommandFailed) as caught:
            session.run(REGION_INTERNAL, command, 10)
        assert caught.value.result.status == Status.TIMEOUT
        session.acknowledge(REGION_INTERNAL)
    session.link.pause(5.0)
    assert session.read(REGION_INTERNAL, FLASH, 64) == bytes(board.flash.array[:64])


def test_no_command_leaves_external_memory_open(board: SimulatedBoard, session: LoaderSession) -> None:
    base = session.buffers_base
    session.link.write_memory(base, bytes(range(256)))
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW, 4096), 10)
    session.run(REGION_QSPI, Command(Operation.PROGRAM, WINDOW, 256, base), 10)
    session.run(REGION_INTERNAL, Command(Operation.ERASE, FLASH + SECTOR, SECTOR), 10)
    session.run(REGION_INTERNAL, Command(Operation.PROGRAM, FLASH + SECTOR, 256, base), 10)
    session.run(REGION_QSPI, Command(Operation.CHIP_RESET), 10)
    assert (
        bytes(board.chip.array[:256]) == bytes(board.flash.array[SECTOR : SECTOR + 256]) == bytes(range(256))
    )
    assert board.violations == []


def test_a_flash_of_half_the_size_is_closed_as_a_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("small")
    build_loader(make_board(flash_size=1 << 19), folder, Toolchain.zig())
    assert "#define FLASH_LOG2 19u" in (folder / "board_data.h").read_text()
