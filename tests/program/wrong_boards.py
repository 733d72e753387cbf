"""Boards whose file is wrong in one thing, on a bench that holds bytes of its own beside the image.

The twin says what is soldered; the board file, and here and there the chip file, say something else.
"""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.plan.file import make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from boardflash.sim.nor.core import SerialNor
from rig import Rig

KIB = 1024
QSPI = 0x9000_0000
SIZE = 1 << 24
PINS = {"clk": "PB2", "ncs": "PB6", "io0": "PD11", "io1": "PD12", "io2": "PE2", "io3": "PD13"}


@dataclass(frozen=True)
class Wrong:
    """One thing that the board file has wrong, or the bench."""

    name: str
    chip: str = "w25q128jv"
    pins: Mapping[str, str] = field(default_factory=dict)
    override: str = ""  # of the chip file
    faults: Mapping[str, str] = field(default_factory=dict)
    twin: str = "stm32f746g-disco-c03"
    size: int = SIZE  # of the die

    def __str__(self) -> str:
        return self.name

    @property
    def mended(self) -> Wrong:
        """The same device, rightly described."""
        if self.chip == SOUND_MICRON.chip:
            return SOUND_MICRON
        faults = {name: value for name, value in self.faults.items() if not name.startswith("wiring.")}
        return replace(SOUND, faults=faults, twin=self.twin)


@dataclass
class Bench(Rig):
    """A rig with a board file of its own."""

    wrong: Wrong = field(default_factory=lambda: SOUND)

    @property
    def board(self) -> Board:
        return built(self.wrong)[0]

    def plan(self, images: Mapping[int, bytes], board: Board | None = None) -> FlashPlan:
        board, artefact = built(self.wrong)
        segments = [Segment(address, data, f"bytes at {address:#x}") for address, data in images.items()]
        regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
        loader = LoaderRef(artefact.elf, artefact.sha256, artefact.toolchain, artefact.protocol)
        return make_plan(board, split(segments, regions), loader, (), self.folder / "plan")


def bench(folder: Path, wrong: Wrong, faults: Mapping[str, str] | None = None) -> Bench:
    """The device of `wrong`, driven by its board file."""
    return Bench(folder, twin=wrong.twin, faults={**wrong.faults, **(faults or {})}, wrong=wrong)


def device(folder: Path, wrong: Wrong, content: bytes, faults: dict[str, str] | None = None) -> Bench:
    rig = bench(folder, wrong, faults)
    if not (folder / "state" / "sim").exists():
        with rig.link():
            pass
        rig.set_memory("qspi", 0, content)
    return rig


@contextmanager
def refusal() -> Iterator[pytest.ExceptionInfo[BoardflashError]]:
    """A run that fails; what it says of its changes is what the chip has seen."""
    begun: list[str] = []
    begin = SerialNor.begin

    def noted(chip: SerialNor, kind: str, *rest: object) -> None:
        begun.append(kind)
        begin(chip, kind, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(BoardflashError) as caught:
        patch.setattr(SerialNor, "begin", noted)
        yield caught
    if "nothing was erased or programmed" in str(caught.value):
        assert {"erase", "program"}.isdisjoint(begun)


def built(wrong: Wrong) -> tuple[Board, LoaderArtefact]:
    """The board and its loader, made once for all tests of a process."""
    return _built(wrong.chip, tuple((PINS | dict(wrong.pins)).items()), wrong.override)


@cache
def _built(chip: str, pins: tuple[tuple[str, str], ...], override: str) -> tuple[Board, LoaderArtefact]:
    folder = Path(tempfile.mkdtemp(prefix="wrong-board-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    listed = ", ".join(f'{signal} = "{pin}"' for signal, pin in pins)
    text = f"""\
schema = 1
name   = "bench"
title  = "A bench"
mcu    = "STM32F746NG"

[qspi]
bank  = 1
chips = ["{chip}"]
clock_hz_max = 84_000_000
pins = {{ {listed} }}
"""
    if override:
        text += f"\n[qspi.chip.{chip}]\n{override}\n"
    (folder / "bench.toml").write_text(text, encoding="utf-8")
    board = load_board(folder / "bench.toml")
    return board, build_loader(board, folder / "loader", Toolchain.zig())


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


SOUND = Wrong("sound")
SOUND_MICRON = Wrong("sound, Micron", chip="n25q128a13", twin="stm32f746g-disco")
WIRING = [
    Wrong("io2 elsewhere", pins={"io2": "PF7"}),
    Wrong("io3 elsewhere", pins={"io3": "PF6"}),
    Wrong("io2 and io3 elsewhere", pins={"io2": "PF7", "io3": "PF6"}),
    Wrong("io2 and io3 exchanged", faults={"wiring.PE2": "io3", "wiring.PD13": "io2"}),
    Wrong(
        "io2 elsewhere, 1-1-4",
        chip="n25q128a13",
        twin="stm32f746g-disco",
        pins={"io2": "PF7"},
        override='read.opcode = 0x6B\nread.lines = "1-1-4"\nread.dummy_cycles = 8',
    ),
]
QUAD_ENABLE = [
    Wrong("quad enable left clear", override='quad_enable = "NONE"', twin="stm32f746g-disco-c03-im"),
]
DUMMIES = [
    Wrong("one dummy cycle too few", override="read.dummy_cycles = 3"),
    Wrong("two dummy cycles too many", override="read.dummy_cycles = 6"),
]
PROGRAM = [
    Wrong("38h for 32h", override='program.opcode = 0x38\nprogram.lines = "1-4-4"'),
    Wrong("12h for 32h", override='program.opcode = 0x12\nprogram.lines = "1-4-4"'),
    Wrong("02h on four lines", override="program.opcode = 0x02"),
    Wrong("no 32h", faults={"unknown_opcodes": "[0x32]"}),
]
_LARGE = {"chip": "w25q256jv", "twin": "stm32f746g-disco-c03"}
SIZES = [
    Wrong("counterfeit that wraps", **_LARGE, faults={"chip": "W25Q256JV-IQ", "wraps_at": "0x1000000"}),
    Wrong("16 MiB with the ID of 32", **_LARGE, faults={"jedec_id": "EF 40 19"}),
]
#: Both ways send four bytes then, and the chip takes three.
WIDTH = Wrong(
    "four address bytes not switched on",
    **_LARGE,
    faults={"chip": "W25Q256JV-IQ", "unknown_opcodes": "[0xB7]"},
    override='enter_4byte = "B7"\nread.opcode = 0xEB\nprogram.opcode = 0x32',
)
SOUND_LARGE = Wrong("sound, 32 MiB", **_LARGE, faults={"chip": "W25Q256JV-IQ"}, size=2 * SIZE)
SOUND_BY_MODE = replace(
    WIDTH, name="sound, 32 MiB by its address mode", faults=SOUND_LARGE.faults, size=2 * SIZE
)
