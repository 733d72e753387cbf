"""Variations of shipped boards: what the loader's tests need of one."""

from __future__ import annotations

from boardflash.description.load import load_chip, load_mcu
from boardflash.description.model import (
    Board,
    Chip,
    Mcu,
    Part,
    PinUse,
    ProbeSettings,
    Qspi,
    Region,
    SectorRun,
)

N25Q128, W25Q128 = load_chip("n25q128a13"), load_chip("w25q128jv")
F746, H743 = load_mcu("stm32f746"), load_mcu("stm32h743")

DISCO_PINS = (
    PinUse("clk", "PB2", 9),
    PinUse("ncs", "PB6", 10),
    PinUse("io0", "PD11", 9),
    PinUse("io1", "PD12", 9),
    PinUse("io2", "PE2", 9),
    PinUse("io3", "PD13", 9),
)


def make_board(
    mcu: Mcu = F746,
    chips: tuple[Chip, ...] = (N25Q128, W25Q128),
    flash_size: int = 1 << 20,
    qspi: bool = True,
) -> Board:
    """A board of this MCU with the Discovery board's pins."""
    sectors = mcu.flash.sectors
    regions = [Region("internal", mcu.flash.base, flash_size, sectors[0].size, sectors, ())]
    if qspi:
        regions.append(Region("qspi", 0x9000_0000, 1 << 24, 4096, (SectorRun(4096, 4096, 250, 800),), ()))
    return Board(
        name=f"test-{mcu.name}",
        file="test.toml",
        title="test",
        mcu=mcu,
        part=Part("TEST", "TEST", "TFBGA216", flash_size, "test", "TEST"),
        probe=ProbeSettings("swd", 4000, False),
        qspi=Qspi(1, DISCO_PINS, 54_000_000, chips) if qspi else None,
        regions=tuple(regions),
        boot_guard="internal",
        overrides=(),
        assumptions=(),
    )
