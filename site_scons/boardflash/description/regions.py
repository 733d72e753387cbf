"""The programmable memories of a board: base, size, erase units, and what of them is protected."""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.description.mcus import cut_sectors
from boardflash.description.model import Chip, EraseUnit, Mcu, Part, Region, SectorRun
from boardflash.description.toml_tables import Table

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


def internal_region(top: Table, mcu: Mcu, part: Part, protects: tuple[ProtectedRange, ...]) -> Region:
    """Internal flash, as large as the part's or as the board restricts it to."""
    size = part.flash_size
    sectors = cut_sectors(mcu.flash.sectors, size)
    if "internal" in top:
        table = top.table("internal", ("size",))
        size = table.integer("size", 1, 1 << 32)
        if size > part.flash_size:
            table.fail("size", f"{part.number} has {part.flash_size} bytes of internal flash")
        sectors = cut_sectors(mcu.flash.sectors, size)
        if sectors is None:
            table.fail("size", "must end at the end of a sector")
    assert sectors is not None  # the die file's sizes were checked
    granule = min(run.size for run in sectors)
    return _region("internal", mcu.flash.base, size, granule, sectors, protects)


def qspi_region(
    top: Table, mcu: Mcu, chips: tuple[Chip, ...], protects: tuple[ProtectedRange, ...]
) -> Region:
    """The chip in the controller's window; its erase unit is the smallest that every alternate can erase."""
    size = chips[0].size
    granule = max(GRANULE_MIN, *(chip.erases[0].size for chip in chips))
    times = [_unit_times(chip, granule) for chip in chips]
    run = SectorRun(
        granule, size // granule, max(typ for typ, _ in times), max(longest for _, longest in times)
    )
    return _region("qspi", mcu.qspi.window, size, granule, (run,), protects)


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


def _region(
    name: str,
    base: int,
    size: int,
    granule: int,
    sectors: tuple[SectorRun, ...],
    protects: tuple[ProtectedRange, ...],
) -> Region:
    own = sorted((entry for entry in protects if entry.region == name), key=lambda entry: entry.address)
    region = Region(name, base, size, granule, sectors, tuple((entry.address, entry.size) for entry in own))
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
