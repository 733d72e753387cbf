"""An ELF as a linker leaves it: code in internal flash, pictures in the QSPI window."""

from __future__ import annotations

from image.image_builders import FakeLoad, FakeSection, fake_elf
from peers.images import FLASH_BASE, assets, firmware

WINDOW = 0x90000000
CODE_SIZE, ASSETS_SIZE = 3_000, 3_004
_CODE_AT, _ASSETS_AT = 0x200, 0x1000


def app_code() -> bytes:
    return firmware(CODE_SIZE, seed=11)


def app_assets() -> bytes:
    return assets(ASSETS_SIZE, seed=12)


def app_elf() -> bytes:
    return fake_elf(
        [FakeLoad(_CODE_AT, FLASH_BASE, CODE_SIZE), FakeLoad(_ASSETS_AT, WINDOW, ASSETS_SIZE)],
        [
            FakeSection(".text", _CODE_AT, FLASH_BASE, CODE_SIZE),
            FakeSection(".qspi", _ASSETS_AT, WINDOW, ASSETS_SIZE),
        ],
        {_CODE_AT: app_code(), _ASSETS_AT: app_assets()},
    )
