"""One simulated device, held open: its memories are set and looked at directly, runs follow each other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boardflash.description.model import Board
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from boardflash.link.jlink import Link
from boardflash.plan.file import make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from boardflash.program.report import FlashReport, RegionReport
from boardflash.program.run import FlashOptions, flash
from cuts import shared_loader
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024


def noise(size: int, seed: int = 1) -> bytes:
    """Incompressible bytes, the same on every machine."""
    return random.Random(seed).randbytes(size)


def firmware(size: int, seed: int = 7) -> bytes:
    """Noise behind a vector table that boots."""
    return VECTORS + noise(size - len(VECTORS), seed)


def cleared(data: bytes, at: int, size: int = 1, mask: int = 0x55) -> bytes:
    """The same with some bits of these bytes cleared."""
    return data[:at] + bytes(byte & mask for byte in data[at : at + size]) + data[at + size :]


@dataclass(frozen=True)
class Change:
    """An erase or a program, as the memory itself began it."""

    region: str
    kind: str  # "erase" or "program"
    address: int
    size: int
    begin_ps: int
    end_ps: int


class Device:
    """A Discovery board with power: between two runs its RAM keeps what it holds."""

    def __init__(self, rig: Rig, link: Link) -> None:
        self.rig = rig
        self.link = link
        self.sim: Any = link._dll.JLINKARM_Halt._probe.wire.target
        self.changes: list[Change] = []
        self._plans = 0
        self._note_changes()

    def plan(self, images: Mapping[int, bytes], board: Board | None = None) -> FlashPlan:
        """With a loader that is built once a process."""
        board = board or self.rig.board
        artefact = shared_loader()
        segments = [Segment(address, data, f"bytes at {address:#x}") for address, data in images.items()]
        regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
        loader = LoaderRef(artefact.elf, artefact.sha256, artefact.toolchain, artefact.protocol)
        self._plans += 1
        folder = self.rig.folder / f"plan-{self._plans}"
        return make_plan(board, split(segments, regions), loader, (), folder)

    def flash(
        self, images: Mapping[int, bytes], board: Board | None = None, options: FlashOptions | None = None
    ) -> FlashReport:
        return flash(self.plan(images, board), self.link, options)

    def flash_one(self, address: int, data: bytes, board: Board | None = None) -> RegionReport:
        """An image for one region, and what the run says of it."""
        return self.flash({address: data}, board).regions[0]

    def put(self, address: int, data: bytes) -> None:
        """The device holds this, as if it had always been there."""
        array, offset = self._place(address)
        array[offset : offset + len(data)] = data

    def holds(self, address: int, size: int) -> bytes:
        array, offset = self._place(address)
        return bytes(array[offset : offset + size])

    def _note_changes(self) -> None:
        chip, flash_ = self.sim.chip, self.sim.flash
        chip_begin, flash_begin = chip.begin, flash_._begin

        def on_chip(kind: str, start: int, size: int, took_ps: int, finish: Any) -> None:
            if kind in ("erase", "program"):
                self._note("qspi", kind, QSPI + start, size, chip.at_ps, took_ps)
            chip_begin(kind, start, size, took_ps, finish)

        def on_flash(duration_ps: int, offset: int, after: bytes, otp: bool = False) -> None:
            kind = "erase" if len(after) > 8 else "program"
            self._note("internal", kind, INTERNAL + offset, len(after), self.sim.clock.now_ps, duration_ps)
            flash_begin(duration_ps, offset, after, otp)

        chip.begin, flash_._begin = on_chip, on_flash

    def _note(self, region: str, kind: str, address: int, size: int, begin_ps: int, took_ps: int) -> None:
        self.changes.append(Change(region, kind, address, size, begin_ps, begin_ps + took_ps))

    def changed(self, region: str, kind: str) -> list[int]:
        """Where, in order; since the link was opened."""
        return [change.address for change in self.changes if (change.region, change.kind) == (region, kind)]

    def _place(self, address: int) -> tuple[Any, int]:
        if address >= QSPI:
            return self.sim.chip.array, address - QSPI
        return self.sim.flash.array, address - INTERNAL


@contextmanager
def device(folder: Path, twin: str | None = None) -> Iterator[Device]:
    """Both memories are blank."""
    rig = Rig(folder, twin=twin)
    with rig.link() as link:
        yield Device(rig, link)
