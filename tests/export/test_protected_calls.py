"""What the board file protects, a loader file of ours neither erases nor writes, whoever calls it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.description.model import Board
from boardflash.export.formats import ExportRequest, export, format_named
from export.caller import load
from export.export_rig import BOARD, INTERNAL, SECTOR, WINDOW, simulated

KEPT = 0x20_0000  # in the QSPI chip
KEPT_INTERNAL = 0x8000
PLACE = 0x2000_0404


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a discovery board with a protected range in the middle of a sector of each memory."""
    made = tmp_path_factory.mktemp("protected")
    for name in ("flm", "stldr"):
        export(format_named(name), ExportRequest(protecting(), made))
    return made


def protecting() -> Board:
    board = load_board(BOARD)
    ranges = {
        "qspi": ((WINDOW + KEPT + 0x1000, 0x1000),),
        "internal": ((INTERNAL + KEPT_INTERNAL, 0x8000),),
    }
    return replace(
        board, regions=tuple(replace(region, protect=ranges[region.name]) for region in board.regions)
    )


def test_flash_algorithm_keeps_the_sectors_of_a_protected_range(folder: Path) -> None:
    board = simulated()
    before = bytes(board.chip.array)
    caller = load(board, folder / f"{BOARD}.FLM", PLACE)
    assert caller.call("Init", WINDOW, 0, 1) == 0
    assert caller.call("EraseSector", WINDOW + KEPT) == 1
    assert caller.call("EraseChip") == 1
    assert caller.call("ProgramPage", WINDOW + KEPT + 0x1FFF, 1, caller.put(b"\0")) == 1
    assert bytes(board.chip.array) == before
    assert caller.call("EraseSector", WINDOW + KEPT + SECTOR) == 0
    assert caller.call("ProgramPage", WINDOW + KEPT + 0x2000, 1, caller.put(b"\0")) == 0


def test_internal_flash_algorithm_keeps_them_too(folder: Path) -> None:
    board = simulated()
    before = bytes(board.flash.array)
    caller = load(board, folder / f"{BOARD}-internal.FLM", PLACE)
    assert caller.call("Init", INTERNAL, 0, 1) == 0
    assert caller.call("EraseSector", INTERNAL + KEPT_INTERNAL) == 1
    assert caller.call("EraseChip") == 1
    assert caller.call("ProgramPage", INTERNAL + KEPT_INTERNAL, 4, caller.put(bytes(4))) == 1
    assert bytes(board.flash.array) == before
    assert caller.call("EraseSector", INTERNAL) == 0


def test_external_loader_keeps_them_too(folder: Path) -> None:
    board = simulated()
    before = bytes(board.chip.array)
    caller = load(board, folder / f"{BOARD}.stldr")
    assert caller.call("Init") == 1
    assert caller.call("SectorErase", WINDOW + KEPT, WINDOW + KEPT) == 0
    assert caller.call("MassErase", 0) == 0
    assert caller.call("Write", WINDOW + KEPT + 0x1800, 16, caller.put(bytes(16))) == 0
    assert bytes(board.chip.array) == before
