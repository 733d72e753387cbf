"""A board built by hand, so that the tests of the plan need no TOML."""

from __future__ import annotations

import hashlib
from pathlib import Path

from boardflash.description.model import (
    Assumption,
    BlockProtection,
    Board,
    Chip,
    ClockTree,
    EraseCommand,
    InternalFlash,
    Lines,
    Mcu,
    Part,
    PinUse,
    ProbeSettings,
    ProgramCommand,
    Qspi,
    QspiController,
    QuadEnable,
    ReadCommand,
    Region,
    RegisterWrite,
    SectorRun,
)
from boardflash.image.inputs import InputSpec, load_inputs
from boardflash.image.model import MemoryRange
from boardflash.image.split import Split, split
from boardflash.plan.model import LoaderRef

RAM = MemoryRange("RAM", 0x2000_0000, 0x5_0000)


def make_chip() -> Chip:
    return Chip(
        name="testchip",
        file="/somewhere/chips/testchip.toml",
        vendor="Test",
        title="TestChip 16 MiB",
        jedec_ids=(bytes.fromhex("EF4018"), bytes.fromhex("EF7018")),
        size=0x100_0000,
        page_size=256,
        quad_enable=QuadEnable.S2B1V4,
        address_bytes=3,
        enter_4byte="none",
        read=ReadCommand(0xEB, Lines(1, 4, 4), 2, 0xFF, 4, 104_000_000),
        program=ProgramCommand(0x32, Lines(1, 1, 4), 400, 3000),
        erases=(
            EraseCommand(0x1000, 0x20, 45, 400),
            EraseCommand(0x8000, 0x52, 120, 1600),
            EraseCommand(0x1_0000, 0xD8, 150, 2000),
        ),
        chip_erase=EraseCommand(0x100_0000, 0xC7, 40_000, 200_000),
        protection=BlockProtection(0x7C, 0x40, 0x04),
        status_write_max_ms=15,
        flag_status=False,
        volatile_dummies=False,
        clear_only_program=True,
        sfdp_sha256="",
        assumptions=(Assumption("read.mode_value", "FFh", "any value but Axh stays out of continuous read"),),
    )


def make_mcu() -> Mcu:
    return Mcu(
        name="stm32f74x",
        file="/somewhere/mcus/stm32f74x.toml",
        title="STM32F745/746/750/756",
        core="cortex-m7",
        device_id=0x449,
        idcode_address=0xE004_2000,
        ram_base=RAM.base,
        ram_size=RAM.size,
        gpio_base=0x4002_0000,
        gpio_stride=0x400,
        watchdog=0x4000_3000,
        flash=InternalFlash(
            driver="stm32f7_flash",
            registers=0x4002_3C00,
            base=0x0800_0000,
            sectors=(
                SectorRun(0x8000, 4, 250, 500),
                SectorRun(0x2_0000, 1, 550, 1100),
                SectorRun(0x4_0000, 3, 1000, 2000),
            ),
            program_bytes=4,
            program_typ_us=16,
            program_max_us=100,
            clear_only_program=True,
            size_register=0x1FF0_F442,
            uid_address=0x1FF0_F420,
            otp=(0x1FF0_F000, 0x420),
        ),
        qspi=QspiController("stm32_quadspi", 0xA000_1000, 0x9000_0000, 0x1000_0000, 32, True),
        clock=ClockTree(
            driver="stm32f7",
            hclk_hz=180_000_000,
            values={"pll_m": 8, "pll_n": 180},
            gpio_enable=RegisterWrite(0x4002_3830, 1),
            qspi_enable=RegisterWrite(0x4002_3838, 2),
            qspi_reset=RegisterWrite(0x4002_3818, 2),
        ),
        simulated=True,
        assumptions=(),
    )


def make_board(file: str = "/home/someone/boards/testboard.toml") -> Board:
    mcu = make_mcu()
    chip = make_chip()
    return Board(
        name="testboard",
        file=file,
        title="Test Board",
        mcu=mcu,
        part=Part("STM32F746NG", "STM32F746NGHx", "TFBGA216", 0x10_0000, "a", "STM32F746NG"),
        probe=ProbeSettings("swd", 4000, False),
        qspi=Qspi(1, (PinUse("clk", "PB2", 9), PinUse("ncs", "PB6", 10)), 54_000_000, (chip,)),
        regions=(
            Region("internal", 0x0800_0000, 0x10_0000, 0x8000, mcu.flash.sectors, ()),
            Region(
                "qspi",
                0x9000_0000,
                chip.size,
                0x1000,
                (SectorRun(0x1000, chip.size // 0x1000, 45, 400),),
                ((0x90FF_0000, 0x1_0000),),
            ),
        ),
        boot_guard="internal",
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
    return split(load_inputs(specs), regions_of(board), (RAM,))
