"""A simulated board on a bench, for tests and benchmarks: real pylink, real loader, images given as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from boardflash.description.load import load_board
from boardflash.description.model import Board
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from boardflash.link.jlink import Link
from boardflash.link.probes import SimulationChoice, open_link
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.plan.file import make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from boardflash.program.progress import Progress
from boardflash.program.report import FlashReport
from boardflash.program.run import FlashOptions, flash, verify

VECTORS = bytes.fromhex("00000520 09000008 fee7fee7 fee7fee7")  # SP, reset -> `b .` at 0x08000008


@lru_cache(maxsize=4)
def board_named(name: str) -> Board:
    return load_board(name)


@dataclass
class Rig:
    """One board (by its file) on one simulated device (by twin and serial), all state under `folder`."""

    folder: Path
    board_name: str = "stm32f746g-disco"
    twin: str | None = None
    serial: str = "746000001"
    faults: Mapping[str, str] = field(default_factory=dict)
    trace: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ["BOARDFLASH_STATE_DIR"] = str(self.folder / "state")

    @property
    def board(self) -> Board:
        return board_named(self.board_name)

    def plan(self, images: Mapping[int, bytes], board: Board | None = None) -> FlashPlan:
        """A plan for bytes at addresses, with the loader built once a rig."""
        board = board or self.board
        artefact = build_loader(board, self.folder / "loader", Toolchain.zig())
        segments = [Segment(address, data, f"bytes at {address:#x}") for address, data in images.items()]
        regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
        loader = LoaderRef(artefact.elf, artefact.sha256, artefact.toolchain, artefact.protocol)
        return make_plan(board, split(segments, regions), loader, (), self.folder / "plan")

    @contextmanager
    def link(self) -> Iterator[Link]:
        board = self.board
        with open_link(
            f"sim:{self.serial}",
            board_name=board.name,
            jlink_device=board.part.jlink_device,
            interface=board.probe.interface,
            speed_khz=board.probe.speed_khz,
            under_reset=board.probe.connect_under_reset,
            trace=self.trace,
            simulation=SimulationChoice(twin=self.twin, faults=self.faults),
        ) as link:
            yield link

    def flash(
        self,
        images: Mapping[int, bytes],
        options: FlashOptions | None = None,
        progress: Progress | None = None,
    ) -> FlashReport:
        plan = self.plan(images)
        with self.link() as link:
            return flash(plan, link, options, progress)

    def verify(self, images: Mapping[int, bytes]) -> FlashReport:
        plan = self.plan(images)
        with self.link() as link:
            return verify(plan, link)

    def memory(self, region: str) -> bytearray:
        """What the device holds without power: the whole array of one region."""
        return bytearray((self.folder / "state" / "sim" / self.serial / f"{region}.bin").read_bytes())

    def set_memory(self, region: str, offset: int, data: bytes) -> None:
        """Change the device behind everybody's back, between two runs."""
        path = self.folder / "state" / "sim" / self.serial / f"{region}.bin"
        content = bytearray(path.read_bytes())
        content[offset : offset + len(data)] = data
        path.write_bytes(content)
