"""Boards of these tests: the discovery board with a loader of somebody else, and the loaders themselves."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.description.load import load_board
from boardflash.description.model import Board
from boardflash.export.flm import build_flm
from rig import Rig

KIB = 1024
INTERNAL, QSPI = 0x0800_0000, 0x9000_0000

HEAD = """\
schema = 1
name   = "bench"
title  = "A bench"
mcu    = "STM32F746NG"
"""
CHIPS = """\
bank  = 1
chips = ["n25q128a13", "w25q128jv"]
clock_hz_max = 90_000_000
pins = { clk = "PB2", ncs = "PB6", io0 = "PD11", io1 = "PD12", io2 = "PE2", io3 = "PD13" }
"""


def board_text(loader: str = "", *, chips: bool = True, internal: str = "", more: str = "") -> str:
    """A board file whose regions name these loaders."""
    text = HEAD
    if internal:
        text += f'\n[internal]\nloader = "{internal}"\n'
    text += "\n[qspi]\n" + (f'loader = "{loader}"\n' if loader else "") + (CHIPS if chips else "")
    return text + more


def write_board(folder: Path, text: str) -> Board:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.toml").write_text(text, encoding="utf-8")
    return load_board(folder / "bench.toml")


@dataclass
class ForeignRig(Rig):
    """A simulated discovery board, described by a board file of its own."""

    own: Board | None = None

    @property
    def board(self) -> Board:
        assert self.own is not None
        return self.own


def bench(folder: Path, text: str, loaders: Sequence[Path] = ()) -> ForeignRig:
    """The board file in `folder`/board, the loaders in its `vendor/`."""
    vendor = folder / "board" / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    for path in loaders:
        shutil.copyfile(path, vendor / path.name)
    own = write_board(folder / "board", text)
    return ForeignRig(folder / "rig", board_name="bench", twin="stm32f746g-disco", own=own)


def our_flm(folder: Path) -> Path:
    """The flash algorithm that boardflash exports itself: 64 KiB sectors, pages of 4 KiB."""
    return build_flm(load_board("stm32f746g-disco"), folder)
