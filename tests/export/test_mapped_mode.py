"""What a host reads in the window after each function that leaves it mapped (RM0385 14.3.8, ES0290 2.4.3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bank_two import board_file, twin_file
from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.target import BusFault
from boardflash.sim.twin import load_twin
from export.caller import Caller, load
from export.export_rig import CHIP_SIZE, SECTOR, TWINS, WINDOW, jlink_flm, noise, simulated, stldr

PROGRAM, VERIFY = 2, 3
PLACE = 0x2000_0404
AT = 0x12_0000
QUADSPI_AR = 0xA000_1018


def flm_started(board: SimulatedBoard) -> Caller:
    caller = load(board, jlink_flm(), PLACE)
    assert caller.call("Init", WINDOW, 16_000_000, PROGRAM) == 0
    return caller


def first_word(board: SimulatedBoard, offset: int) -> None:
    """The first read after the call: what the erratum spoils."""
    assert board.read_memory(WINDOW + offset, 4, 4) == board.chip.array[offset : offset + 4]


def read(caller: Caller, low: int) -> None:
    assert caller.call("SEGGER_OPEN_Read", WINDOW + AT + low, 9, caller.buffer) == 9


def program(caller: Caller, low: int) -> None:
    assert caller.call("ProgramPage", WINDOW + AT + low, 1, caller.put(b"\0")) == 0


def check_blank(caller: Caller, low: int) -> None:
    assert caller.call("BlankCheck", WINDOW + AT + low, 3, 0xFF) == 1


def checksum(caller: Caller, low: int) -> None:
    caller.call("SEGGER_OPEN_CalcCRC", 0, WINDOW + AT + low, 3, 0xEDB8_8320)


@pytest.mark.parametrize("low", [1, 2, 3])
@pytest.mark.parametrize("last", [read, program, check_blank, checksum], ids=lambda call: call.__name__)
@pytest.mark.parametrize("twin", TWINS)
def test_a_flash_algorithm_maps_the_chip_after_an_odd_last_address(
    twin: str, last: Callable[[Caller, int], None], low: int
) -> None:
    board = simulated(twin)
    caller = flm_started(board)
    last(caller, low)
    assert int.from_bytes(board.read_memory(QUADSPI_AR, 4, 4), "little") & 3 == low, "the trap is set"
    assert caller.call("UnInit", PROGRAM) == 0
    first_word(board, AT + 0x100)
    assert not board.violations


@pytest.mark.parametrize("low", [1, 2, 3])
@pytest.mark.parametrize("twin", TWINS)
def test_an_external_loader_maps_the_chip_after_an_odd_write(twin: str, low: int) -> None:
    board = simulated(twin)
    caller = load(board, stldr())
    assert caller.call("Init") == 1
    first_word(board, AT)
    assert caller.call("SectorErase", WINDOW + AT + low, WINDOW + AT + low) == 1
    first_word(board, AT - 4)
    data = noise(5)
    assert caller.call("Write", WINDOW + AT + 0x40 + low, len(data), caller.put(data)) == 1
    first_word(board, AT + 0x40)
    assert board.chip.array[AT + 0x40 + low : AT + 0x45 + low] == data
    assert not board.violations


@pytest.mark.parametrize("last", ["EraseSector", "SEGGER_OPEN_Read"])
def test_mapping_the_chip_sends_it_no_command(last: str) -> None:
    """AR = 0 under the command that went last would send that again: to address 0."""
    board = simulated()
    caller = flm_started(board)
    if last == "EraseSector":
        assert caller.call(last, WINDOW + AT) == 0
    else:
        read(caller, 0)
    seen: list[int] = []
    select = board.chip.select

    def counted(at_ps: int) -> None:
        seen.append(at_ps)
        select(at_ps)

    board.chip.select = counted  # type: ignore[method-assign]
    assert caller.call("UnInit", PROGRAM) == 0
    assert seen == []
    first_word(board, AT)
    assert len(seen) == 1


def test_a_controller_that_is_mapped_but_was_never_read_is_taken_back() -> None:
    board = simulated()
    caller = load(board, stldr())
    assert caller.call("Init") == 1
    assert caller.call("Write", WINDOW + AT, 4, caller.put(b"\0\0\0\0")) == 1
    assert caller.call("Write", WINDOW + AT + 4, 4, caller.put(b"\0\0\0\0")) == 1
    assert board.chip.array[AT : AT + 8] == bytes(8)
    first_word(board, AT + 4)
    assert not board.violations


@pytest.mark.parametrize("width", [1, 2, 4])
def test_nothing_beyond_the_chip_is_readable_in_the_window(width: int) -> None:
    board = simulated()
    caller = load(board, jlink_flm(), PLACE)
    assert caller.call("Init", WINDOW, 16_000_000, VERIFY) == 0
    last = WINDOW + CHIP_SIZE - width
    assert board.read_memory(last, width, width) == board.chip.array[CHIP_SIZE - width :]
    for address in (WINDOW + CHIP_SIZE, WINDOW + 2 * CHIP_SIZE, WINDOW + 0x0FFF_FFFC):
        with pytest.raises(BusFault, match="FSIZE"):
            board.read_memory(address, width, width)
    assert board.read_memory(last, width, width) == board.chip.array[CHIP_SIZE - width :]


def test_the_algorithm_of_a_board_of_bank_2_works_on_it(tmp_path: Path) -> None:
    export(format_named("flm"), ExportRequest(load_board(board_file(tmp_path)), tmp_path / "out"))
    board = SimulatedBoard(load_twin(twin_file(tmp_path)), BoardState.in_memory("5"))
    board.chip.array[:] = noise(CHIP_SIZE, seed=5)
    caller = load(board, tmp_path / "out" / "bank2.FLM", PLACE)
    assert caller.call("Init", WINDOW, 16_000_000, PROGRAM) == 0
    assert caller.call("EraseSector", WINDOW + AT) == 0
    page = noise(256)
    assert caller.call("ProgramPage", WINDOW + AT + 1, len(page), caller.put(page)) == 0
    assert caller.call("UnInit", PROGRAM) == 0
    assert board.read_memory(WINDOW + AT, 512, 4) == b"\xff" + page + b"\xff" * 255
    assert board.chip.array[AT : AT + SECTOR].count(0xFF) >= SECTOR - 256
    assert not board.violations
