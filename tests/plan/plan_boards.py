"""A board of the plan's tests: the discovery board's parts under names of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from boardflash.description.load import load_board, load_chip
from boardflash.description.model import Assumption, Board, Chip
from boardflash.image.inputs import InputSpec, load_inputs
from boardflash.image.model import MemoryRange
from boardflash.image.split import Split, split_inputs
from boardflash.plan.model import LoaderRef

RAM = MemoryRange("RAM", 0x2000_0000, 0x5_0000)


def make_chip() -> Chip:
    return replace(
        load_chip("w25q128jv"),
        name="testchip",
        file="/somewhere/chips/testchip.toml",
        title="TestChip 16 MiB",
        assumptions=(Assumption("read.mode_value", "FFh", "any value but Axh stays out of continuous read"),),
    )


def make_board(file: str = "/home/someone/boards/testboard.toml") -> Board:
    disco = load_board("stm32f746g-disco")
    assert disco.qspi is not None
    regions = tuple(
        replace(region, protect=((0x90FF_0000, 0x1_0000),)) if region.name == "qspi" else region
        for region in disco.regions
    )
    return replace(
        disco,
        name="testboard",
        file=file,
        title="Test Board",
        mcu=replace(disco.mcu, file="/somewhere/mcus/stm32f746.toml", assumptions=()),
        qspi=replace(disco.qspi, chips=(make_chip(),)),
        regions=regions,
        overrides=("qspi.chip.testchip.read.dummy_cycles = 4 (chip file: 6)",),
        assumptions=(Assumption("probe.speed_khz", "4000", "not in the board file"),),
    )


def regions_of(board: Board) -> tuple[MemoryRange, ...]:
    return tuple(MemoryRange(region.name, region.base, region.size) for region in board.regions)


def write_inputs(folder: Path) -> list[InputSpec]:
    """Code in internal flash with a gap in it, and data in QSPI that ends inside a granule."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "boot.bin": (0x0800_0000, bytes(range(256)) * 5),
        "main.bin": (0x0800_9000, b"main" * 3000),
        "art.bin": (0x9000_0800, bytes(i * 7 & 0xFF for i in range(0x2345))),
    }
    specs = []
    for name, (address, data) in parts.items():
        (folder / name).write_bytes(data)
        specs.append(InputSpec(folder / name, address))
    return specs


def write_loader(folder: Path) -> LoaderRef:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "loader.elf"
    file.write_bytes(b"not really a loader")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return LoaderRef(file, digest, "zig 0.17.1", 1)


def make_split(board: Board, specs: list[InputSpec]) -> Split:
    return split_inputs(load_inputs(specs), regions_of(board), (RAM,))
