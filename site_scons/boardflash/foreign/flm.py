"""Reads a CMSIS-Pack flash algorithm (.FLM): `struct FlashDevice`, PrgCode and PrgData.

Offsets as probe-rs and pyOCD parse them (reference flash-engines section 8): version 0, name 2, type 130,
base 132, size 136, page 140, empty value 148, time-outs 152 and 156, sectors from 160.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

from boardflash.foreign.elf import LoaderElf
from boardflash.foreign.model import Device, Limits, Loader, LoadPart, Sectors

HEAD = struct.Struct("<H128sHLLLLBxxxLL")
ENTRY = struct.Struct("<LL")
ENTRIES_MAX = 512
END = 0xFFFF_FFFF
ERASED = 0xFF
REQUIRED = ("Init", "UnInit", "EraseSector", "ProgramPage")
#: A Read of J-Link's, where the loader has one: bytes read are returned.
READ = "SEGGER_OPEN_Read"
VERIFY = "Verify"
OPTIONAL = (READ, VERIFY, "EraseChip", "BlankCheck")
INIT_MS = 5000  # the structure has no limit for Init; pyOCD's


def read_flm(path: Path, shown: str = "") -> Loader:
    """The loader in `path`; BoardflashError names what of it is not as it has to be."""
    elf = LoaderElf(path, shown)
    elf.require(("FlashDevice", *REQUIRED))
    device, limits = _device(elf)
    code = elf.sections("PrgCode")
    if not code:
        raise elf.fault("section PrgCode is missing")
    if min(address for address, _ in code) != 0:
        raise elf.fault(f"PrgCode begins at {min(a for a, _ in code):#x}, not at 0: it can't be moved")
    data = elf.sections("PrgData")
    parts = tuple(LoadPart(address, content) for address, content in sorted([*code, *data]) if content)
    for before, after in pairwise(parts):
        if before.address + len(before.data) > after.address:
            raise elf.fault(f"its sections overlap at {after.address:#x}")
    return Loader(
        format="FLM",
        device=device,
        limits=limits,
        parts=parts,
        functions=elf.functions((*REQUIRED, *OPTIONAL)),
        static_base=min((address for address, _ in data), default=None),
        fixed=False,
    )


def _device(elf: LoaderElf) -> tuple[Device, Limits]:
    raw = elf.struct_at("FlashDevice", HEAD.size + ENTRIES_MAX * ENTRY.size)
    if len(raw) < HEAD.size + ENTRY.size:
        raise elf.fault(f"FlashDevice has {len(raw)} bytes, at least {HEAD.size + ENTRY.size} are expected")
    _, name, _, base, size, page, _, empty, program_ms, erase_ms = HEAD.unpack_from(raw)
    if empty != ERASED:
        raise elf.fault(f"its erased bytes are {empty:#04x}; boardflash serves memories that erase to 0xff")
    entries = []
    for at in range(HEAD.size, len(raw) - ENTRY.size + 1, ENTRY.size):
        entry = ENTRY.unpack_from(raw, at)
        if entry == (END, END):
            break
        entries.append(entry)
    else:
        raise elf.fault("the sector table of FlashDevice has no end mark")
    sectors = _sectors(elf, entries, size)
    shown = name.split(b"\0")[0].decode("latin-1").strip()
    return Device(shown, base, size, page, sectors), Limits(INIT_MS, erase_ms, program_ms)


def _sectors(elf: LoaderElf, entries: list[tuple[int, int]], size: int) -> tuple[Sectors, ...]:
    """(size, offset) rows into runs: each reaches to the next one's offset, the last to the device's end."""
    if not entries or entries[0][1] != 0:
        raise elf.fault("the sector table of FlashDevice does not begin at offset 0")
    found = []
    ends = [*(offset for _, offset in entries[1:]), size]
    for (sector, offset), end in zip(entries, ends, strict=True):
        if sector == 0 or end <= offset or (end - offset) % sector:
            raise elf.fault(
                f"the sector table of FlashDevice does not fit its {size:#x} bytes: sectors of {sector:#x}"
                f" from {offset:#x} to {end:#x}"
            )
        found.append(Sectors(sector, (end - offset) // sector))
    return tuple(found)
