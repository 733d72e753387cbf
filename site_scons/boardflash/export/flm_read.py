"""Reads a CMSIS-Pack flash algorithm as its hosts do: its code and data, its entries, its FlashDevice.

Offsets of FlashDevice as pyOCD and probe-rs parse it (reference flash-engines section 8).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError

DEVICE = struct.Struct("<H128sHLLLLBxxxLL")
SECTOR = struct.Struct("<LL")
SECTORS_END = (0xFFFF_FFFF, 0xFFFF_FFFF)


@dataclass(frozen=True)
class FlmSector:
    size: int
    offset: int  # from here on, to the next entry or the end


@dataclass(frozen=True)
class FlashAlgorithm:
    blob: bytes  # PrgCode, then PrgData, as they lie in the target's RAM
    data_offset: int  # of PrgData in it: what R9 points to
    entries: Mapping[str, int]  # functions by name, relative to the blob's start, with the Thumb bit
    name: str
    base: int
    size: int
    page_size: int
    erased: int
    program_max_ms: int
    erase_max_ms: int
    sectors: tuple[FlmSector, ...]


def read_flm(path: Path) -> FlashAlgorithm:
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = {name: elf.get_section_by_name(name) for name in ("PrgCode", "PrgData", "DevDscr")}
        missing = [name for name, section in sections.items() if section is None]
        if missing:
            raise BoardflashError(f"section {missing[0]} is missing", where=path.name)
        code, data, device = (sections[name] for name in ("PrgCode", "PrgData", "DevDscr"))
        start = code["sh_addr"]
        blob = code.data().ljust(data["sh_addr"] - start, b"\0") + data.data()
        entries = {
            symbol.name: symbol["st_value"] - start
            for symbol in elf.get_section_by_name(".symtab").iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        }
        told = device.data()
    _, name, _, base, size, page, _, erased, program_ms, erase_ms = DEVICE.unpack_from(told)
    return FlashAlgorithm(
        blob=blob,
        data_offset=data["sh_addr"] - start,
        entries=entries,
        name=name.rstrip(b"\0").decode("ascii", "replace"),
        base=base,
        size=size,
        page_size=page,
        erased=erased,
        program_max_ms=program_ms,
        erase_max_ms=erase_ms,
        sectors=_sectors(told[DEVICE.size :]),
    )


def _sectors(table: bytes) -> tuple[FlmSector, ...]:
    found = []
    for row in SECTOR.iter_unpack(table[: len(table) // SECTOR.size * SECTOR.size]):
        if row == SECTORS_END:
            break
        found.append(FlmSector(*row))
    return tuple(found)
