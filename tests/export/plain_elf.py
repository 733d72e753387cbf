"""A reader of 32-bit little-endian ELF files by `struct` alone (ELF specification 1.2), beside pyelftools."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
SECTION = struct.Struct("<10I")
SEGMENT = struct.Struct("<8I")
SYMBOL = struct.Struct("<IIIBBH")
PT_LOAD, SHT_PROGBITS, SHT_SYMTAB, SHF_ALLOC = 1, 1, 2, 2
ET_EXEC, EM_ARM = 2, 40


@dataclass(frozen=True)
class Section:
    name: str
    kind: int
    flags: int
    address: int
    data: bytes


@dataclass(frozen=True)
class Segment:
    address: int
    memory_size: int
    data: bytes


class PlainElf:
    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        ident, kind, machine, _, self.entry, segments_at, sections_at, _, _, _, segments, _, count, names = (
            HEADER.unpack_from(raw)
        )
        assert ident[:7] == b"\x7fELF\x01\x01\x01" and (kind, machine) == (ET_EXEC, EM_ARM)
        rows = [SECTION.unpack_from(raw, sections_at + SECTION.size * n) for n in range(count)]
        strings = [raw[row[4] : row[4] + row[5]] for row in rows]
        self.sections = [
            Section(_text(strings[names], row[0]), row[1], row[2], row[3], data)
            for row, data in zip(rows, strings, strict=True)
        ]
        self.segments = [
            Segment(row[2], row[5], raw[row[1] : row[1] + row[4]])
            for row in (SEGMENT.unpack_from(raw, segments_at + SEGMENT.size * n) for n in range(segments))
            if row[0] == PT_LOAD
        ]
        self.symbols: dict[str, int] = {}
        for row, data in zip(rows, strings, strict=True):
            if row[1] == SHT_SYMTAB:
                for at in range(0, len(data), SYMBOL.size):
                    name, value, _, _, _, index = SYMBOL.unpack_from(data, at)
                    if index:
                        self.symbols[_text(strings[row[6]], name)] = value

    @property
    def loaded(self) -> list[Section]:
        return [section for section in self.sections if section.flags & SHF_ALLOC]

    def section(self, name: str) -> Section:
        (found,) = [section for section in self.sections if section.name == name]
        return found

    def at_symbol(self, name: str, size: int) -> bytes:
        address = self.symbols[name]
        for section in self.loaded:
            if section.address <= address < section.address + len(section.data):
                return section.data[address - section.address :][:size]
        raise KeyError(name)


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()
