"""`loader = "vendor/X.FLM"`: a region that a loader of somebody else erases and programs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from boardflash.description.mcus import cut_sectors
from boardflash.description.model import Mcu, Region, RegionLoader, SectorRun
from boardflash.description.toml_tables import Table
from boardflash.errors import BoardflashError
from boardflash.files import read_file
from boardflash.foreign.fit import check_fit
from boardflash.foreign.layout import lay_out
from boardflash.foreign.model import Loader

KEY = "loader"


def named_loader(table: Table, folder: Path, mcu: Mcu) -> tuple[RegionLoader, Loader] | None:
    """The file that the table names, relative to the board file's folder; None where it names none."""
    if KEY not in table:
        return None
    name = table.text(KEY)
    if not name or "\\" in name or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        table.fail(KEY, 'expected a path relative to the board file, with "/"')
    from boardflash.foreign.elf import LOADER_MOST
    from boardflash.foreign.read import read_loader  # the ELF reader is slow to load, and seldom needed

    path = folder / name
    try:
        loader = read_loader(path, name)
        lay_out(loader, mcu.ram_base, mcu.ram_size, name)
        return RegionLoader(name, str(path), hashlib.sha256(read_file(path, LOADER_MOST)).hexdigest()), loader
    except BoardflashError as error:
        table.fail(KEY, error.message)


def with_loader(
    table: Table, found: tuple[RegionLoader, Loader], region: Region, size: int, memory: str
) -> Region:
    """The region in the loader's own sectors. `size`: of the whole memory."""
    named, loader = found
    try:
        check_fit(loader, region.base, size, memory, named.name)
    except BoardflashError as error:
        table.fail(KEY, error.message)
    runs = sector_runs(loader)
    sectors = cut_sectors(runs, region.size)
    if sectors is None:
        table.fail(KEY, f"none of its sectors ends at the end of the region, after {region.size:#x} bytes")
    granule = min(run.size for run in sectors)
    return replace(region, sectors=sectors, granule=granule, loader=named)


def sector_runs(loader: Loader) -> tuple[SectorRun, ...]:
    """The loader's sectors; of its times only the limit is known."""
    limit = max(1, loader.limits.erase_ms)
    return tuple(SectorRun(run.size, run.count, limit, limit) for run in loader.device.sectors)
