"""pyOCD user script: an STM32F746's memories, its flash by the algorithm that pyOCD ships for the STM32F767.

The two have the same flash controller; sectors in facts/stm32f7.md section 2. pyOCD has no F746 of its own.
The QSPI region comes with our flash algorithm, if BOARDFLASH_PEER names one (`flm`).
"""

# mypy: ignore-errors
import json
import os

from pyocd.core.memory_map import FlashRegion, MemoryMap, RamRegion
from pyocd.target.builtin.target_STM32F767xx import FLASH_ALGO


def will_connect(board):
    def sectors(start, length, size, **more):
        return FlashRegion(
            start=start, length=length, sector_size=size, page_size=0x400, algo=FLASH_ALGO, **more
        )

    def qspi(flm):
        return FlashRegion(name="qspi", start=0x90000000, length=0x1000000, flm=flm, is_external=True)

    flm = json.loads(os.environ["BOARDFLASH_PEER"]).get("flm")
    board.target.memory_map = MemoryMap(
        sectors(0x08000000, 0x20000, 0x8000, is_boot_memory=True),
        sectors(0x08020000, 0x20000, 0x20000),
        sectors(0x08040000, 0xC0000, 0x40000),
        *([qspi(flm)] if flm else []),
        RamRegion(start=0x20000000, length=0x50000, is_default=True),
    )
