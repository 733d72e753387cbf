"""Reads an STM32CubeProgrammer external loader (.stldr): `struct StorageInfo`, code linked to a place in RAM.

Dev_Inf.h as reference flash-engines section 7 has it: name 0, type 100, base 104, size 108, page 112, empty
value 116, ten rows of sector count and size from 120.
"""

from __future__ import annotations

import struct
from pathlib import Path

from boardflash.foreign.elf import LoaderElf
from boardflash.foreign.model import Device, Limits, Loader, LoadPart, Sectors

HEAD = struct.Struct("<100sHxxLLLBxxx")
ENTRY = struct.Struct("<LL")
ENTRIES_MAX = 10
ERASED = 0xFF
REQUIRED = ("Init", "SectorErase", "Write")
READ = "Read"
#: The format has no time-outs of its own; pyOCD's for calls of this kind.
LIMITS = Limits(init_ms=5000, erase_ms=10_000, program_ms=10_000)


def read_stldr(path: Path, shown: str = "") -> Loader:
    """The loader in `path`; BoardflashError names what of it is not as it has to be."""
    elf = LoaderElf(path, shown)
    elf.require(("StorageInfo", *REQUIRED))
    device = _device(elf)
    functions = elf.functions((*REQUIRED, READ))
    parts = _parts(elf, functions)
    bases = [address for address, _ in elf.sections("PrgData")]  # ST's own builds of 2019 are -frwpi
    return Loader(
        format="stldr",
        device=device,
        limits=LIMITS,
        parts=parts,
        functions=functions,
        static_base=min(bases, default=None),
        fixed=True,
    )


def _device(elf: LoaderElf) -> Device:
    raw = elf.struct_at("StorageInfo", HEAD.size + ENTRIES_MAX * ENTRY.size)
    if len(raw) < HEAD.size + ENTRY.size:
        raise elf.fault(f"StorageInfo has {len(raw)} bytes, at least {HEAD.size + ENTRY.size} are expected")
    name, _, base, size, page, empty = HEAD.unpack_from(raw)
    if empty != ERASED:
        raise elf.fault(f"its erased bytes are {empty:#04x}; boardflash serves memories that erase to 0xff")
    sectors = []
    for at in range(HEAD.size, len(raw) - ENTRY.size + 1, ENTRY.size):
        count, sector = ENTRY.unpack_from(raw, at)
        if count == 0 or sector == 0:
            break
        sectors.append(Sectors(sector, count))
    total = sum(run.size * run.count for run in sectors)
    if total != size:
        raise elf.fault(
            f"the sector table of StorageInfo does not fit its {size:#x} bytes: the sectors have {total:#x}"
        )
    return Device(name.split(b"\0")[0].decode("latin-1").strip(), base, size, page, tuple(sectors))


def _parts(elf: LoaderElf, functions: dict[str, int]) -> tuple[LoadPart, ...]:
    """What is loaded; the segment that only describes the device stays out where it lies apart."""
    info = elf.symbols["StorageInfo"][0]
    parts = [
        LoadPart(address, data)
        for address, data in elf.segments()
        if any(address <= at < address + len(data) for at in functions.values())
        or not address <= info < address + len(data)
    ]
    for name, at in functions.items():
        if not any(part.address <= at < part.address + len(part.data) for part in parts):
            raise elf.fault(f"{name} at {at:#010x} lies in no part of it that is loaded")
    return tuple(parts)
