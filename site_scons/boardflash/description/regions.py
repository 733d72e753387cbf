"""The programmable memories of a board: base, size, erase units, and what of them is protected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from boardflash.description.mcus import cut_sectors
from boardflash.description.model import Chip, EraseUnit, Mcu, Part, Region, SectorRun
from boardflash.description.toml_tables import Table
from boardflash.description.vendor import named_loader, with_loader

GRANULE_MIN = 4096


@dataclass(frozen=True)
class ProtectedRange:
    """One `[[protect]]` entry, kept with its table so that a message can name it."""

    region: str
    address: int
    size: int
    table: Table


def protected_ranges(top: Table, *, has_qspi: bool) -> tuple[ProtectedRange, ...]:
    """The `[[protect]]` entries of a board."""
    if "protect" not in top:
        return ()
    found = []
    regions = ("internal", "qspi") if has_qspi else ("internal",)
    for table in top.tables("protect", ("region", "address", "size")):
        region = table.choice("region", regions)
        address, size = table.integer("address", 0, 0xFFFF_FFFF), table.integer("size", 1, 1 << 32)
        found.append(ProtectedRange(region, address, size, table))
    return tuple(found)


def internal_region(
    top: Table, mcu: Mcu, part: Part, protects: tuple[ProtectedRange, ...], folder: Path
) -> Region:
    """Internal flash, as large as the part's or as the board restricts it to."""
    size = part.flash_size
    sectors = cut_sectors(mcu.flash.sectors, size)
    loader = None
    if "internal" in top:
        table = top.table("internal", ("size", "loader"))
        loader = named_loader(table, folder, mcu)
        size = table.integer("size", 1, 1 << 32, size if loader else None)
        if size > part.flash_size:
            table.fail("size", f"{part.number} has {part.flash_size} bytes of internal flash")
        sectors = cut_sectors(mcu.flash.sectors, size)
        if sectors is None:
            table.fail("size", "must end at the end of a sector")
    assert sectors is not None  # the die file's sizes were checked
    granule = min(run.size for run in sectors)
    region = Region("internal", mcu.flash.base, size, granule, sectors, ())
    if loader is not None:
        region = with_loader(table, loader, region, part.flash_size, f"internal flash of {part.number}")
    return _protected(region, protects)


def qspi_region(
    top: Table, mcu: Mcu, chips: tuple[Chip, ...], protects: tuple[ProtectedRange, ...], folder: Path
) -> Region:
    """The chip in the controller's window; its erase unit is the smallest that every alternate can erase.

    With a loader that is not ours the units are that one's, and there may be no chips.
    """
    table = top.free_table("qspi")
    loader = named_loader(table, folder, mcu)
    if loader is not None:
        size = chips[0].size if chips else loader[1].device.size
        if size > mcu.qspi.window_size:
            window = mcu.qspi.window_size
            table.fail("loader", f"made for {size:#x} bytes; the controller's window holds {window:#x}")
        memory = " or ".join(chip.name for chip in chips) or "the controller's window"
        region = Region("qspi", mcu.qspi.window, size, GRANULE_MIN, (), ())
        return _protected(with_loader(table, loader, region, size, memory), protects)
    size = chips[0].size
    granule = max(GRANULE_MIN, *(chip.erases[0].size for chip in chips))
    times = [_unit_times(chip, granule) for chip in chips]
    run = SectorRun(
        granule, size // granule, max(typ for typ, _ in times), max(longest for _, longest in times)
    )
    return _protected(Region("qspi", mcu.qspi.window, size, granule, (run,), ()), protects)


def erase_units(region: Region) -> tuple[EraseUnit, ...]:
    """The smallest erase units of a region in address order."""
    units = []
    address = region.base
    for run in region.sectors:
        units += [EraseUnit(address + index * run.size, run.size) for index in range(run.count)]
        address += run.count * run.size
    return tuple(units)


def _unit_times(chip: Chip, granule: int) -> tuple[int, int]:
    """Typical and longest time to erase one granule with the chip's largest unit that fits it."""
    erase = max((erase for erase in chip.erases if granule % erase.size == 0), key=lambda erase: erase.size)
    pieces = granule // erase.size
    return pieces * erase.typ_ms, pieces * erase.max_ms


def _protected(region: Region, protects: tuple[ProtectedRange, ...]) -> Region:
    name, base = region.name, region.base
    own = sorted((entry for entry in protects if entry.region == name), key=lambda entry: entry.address)
    region = replace(region, protect=tuple((entry.address, entry.size) for entry in own))
    edges = {unit.address for unit in erase_units(region)} | {region.end}
    previous_end = 0
    for entry in own:
        end = entry.address + entry.size
        if entry.address < base or end > region.end:
            entry.table.fail(
                "address", f"the range lies outside {name}, which is {base:#010x} to {region.end - 1:#010x}"
            )
        for key, edge in (("address", entry.address), ("size", end)):
            if edge not in edges:
                below, above = max(e for e in edges if e < edge), min(e for e in edges if e > edge)
                verb = "begins" if key == "address" else "ends"
                entry.table.fail(
                    key, f"{verb} inside the erase unit {below:#010x} to {above - 1:#010x}; protect all of it"
                )
        if entry.address < previous_end:
            entry.table.fail("address", "overlaps another protected range")
        previous_end = end
    return region
