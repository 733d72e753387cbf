"""Simulated discovery boards, and the files of every loader format, made once."""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path

from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

BOARD = "stm32f746g-disco"
MICRON, WINBOND = "stm32f746g-disco", "stm32f746g-disco-c03"
TWINS = (MICRON, WINBOND)
WINDOW, INTERNAL = 0x9000_0000, 0x0800_0000
SECTOR = 0x1_0000
CHIP_SIZE = 16 << 20

_keep = tempfile.TemporaryDirectory(prefix="boardflash-tests-export-")


@functools.cache
def exported(name: str) -> Path:
    """The folder with the files of that format for the discovery board."""
    folder = Path(_keep.name) / name
    export(format_named(name), ExportRequest(load_board(BOARD), folder))
    return folder


def flm() -> Path:
    return exported("flm") / f"{BOARD}.FLM"


def verify_flm() -> Path:
    return exported("flm") / f"{BOARD}-verify.FLM"


def internal_flm() -> Path:
    return exported("flm") / f"{BOARD}-internal.FLM"


def jlink_flm() -> Path:
    return exported("jlink") / "JLinkDevices" / "ST" / BOARD / f"{BOARD}.FLM"


def stldr() -> Path:
    return exported("stldr") / f"{BOARD}.stldr"


def simulated(twin: str = MICRON, **faults: str) -> SimulatedBoard:
    """A board whose memories hold something already; its controller is the worse kind."""
    worst = {"start": "noise", "busy_stays": "always", "late_abort": "true"}
    found = with_faults(load_twin(twin), {**worst, **faults}).twin
    board = SimulatedBoard(found, BoardState.in_memory("5"))
    board.chip.array[:] = noise(len(board.chip.array), seed=5)
    return board


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)
