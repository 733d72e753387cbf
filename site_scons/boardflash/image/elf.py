"""The bytes of an ELF file that belong into a memory (System V ABI chapters 4 and 5, AAELF32).

Program headers say where bytes are loaded: a byte's load address is p_paddr plus its distance from p_offset
in the file, whatever sh_addr says (armlink puts RO and RW sections under one PT_LOAD, and sh_addr of RW is
where it runs). Sections say which bytes are meant. Linkers start the first PT_LOAD at file offset 0 if the
alignment lets them, so that it holds the ELF header, the program headers and filling; written to flash, those
would land below the application, on whatever is there. So a PT_LOAD is written from its first section with
contents to its last, with the gaps between them as the file has them (a check value over `objcopy -O binary`
must hold on every board), but for those that a section without contents covers: they are the device's own.

In a file without sections all of a segment counts, but for headers at its start and the filling behind them.
What is left out is told.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError, one_line
from boardflash.image.model import Contents, LeftOut, Segment

ELF_MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")  # Elf32_Ehdr
_PROGRAM_HEADER_BYTES = 32  # Elf32_Phdr
_SECTION_HEADER_BYTES = 40  # Elf32_Shdr
_ELFCLASS32, _ELFDATA2LSB = 1, 1
_ET_EXEC, _ET_DYN = 2, 3
_EM_ARM = 40
_SHF_ALLOC = 0x2
_SHF_TLS = 0x400
_MAX_SEGMENTS = 256
_MAX_SECTIONS = 16384
_ADDRESS_SPACE = 1 << 32

_TYPES = {0: "a file of no type", 1: "an object file that is not linked yet", 4: "a core dump"}
_MACHINES = {
    3: "x86",
    8: "MIPS",
    20: "PowerPC",
    62: "x86-64",
    83: "AVR",
    94: "Xtensa",
    183: "AArch64",
    243: "RISC-V",
}


@dataclass(frozen=True)
class _Load:
    """A PT_LOAD with bytes in the file."""

    index: int
    offset: int
    virtual: int
    physical: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def name(self) -> str:
        return f"program header {self.index}"

    def address_of(self, offset: int) -> int:
        """Where a byte of the file is loaded."""
        return self.physical + offset - self.offset


@dataclass(frozen=True)
class _Section:
    """An allocated section; one without contents has no bytes in the file."""

    name: str
    offset: int
    address: int
    size: int
    contents: bool

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class _Part:
    """A run of the file: written, or left out for a reason."""

    start: int
    end: int
    name: str
    reason: str = ""


def load_elf(path: Path, data: bytes) -> Contents:
    """What an ELF file loads, section by section; `path` is for messages."""
    table = _check_header(path, data)
    try:
        elf = ELFFile(io.BytesIO(data))
        loads = tuple(_loads(elf))
        sections = tuple(_sections(elf))
    except BoardflashError:
        raise
    except Exception as error:  # pyelftools answers hostile files with whatever its parser meets
        told = " ".join(str(error).split()) or type(error).__name__
        raise BoardflashError(f"damaged ELF file: {told[:64]}", where=str(path)) from error
    segments: list[Segment] = []
    left_out: list[LeftOut] = []
    budget = len(data)  # no linker loads the same bytes of the file over and over
    with_contents = sorted((s for s in sections if s.contents), key=lambda s: (s.offset, s.end))
    owned, homeless = _sections_of(loads, with_contents)
    for load in loads:
        _check_load(path, load, len(data))
        if with_contents:
            parts = _parts_by_sections(load, owned[load.index], sections)
        else:
            parts = _parts_by_headers(load, data, table)
        for part in parts:
            address, source = load.address_of(part.start), f"{path}: {part.name}"
            if part.reason:
                left_out.append(LeftOut(address, part.end - part.start, source, part.reason))
                continue
            budget -= part.end - part.start
            if budget < 0:
                raise BoardflashError("damaged ELF file: it loads more bytes than it has", where=str(path))
            segments.append(Segment(address, data[part.start : part.end], source))
    left_out += [
        LeftOut(s.address, s.size, f"{path}: {s.name}", "no program header loads it") for s in homeless
    ]
    return Contents(tuple(segments), tuple(left_out))


def _check_header(path: Path, data: bytes) -> tuple[int, int]:
    """Refuse what is not a linked 32-bit little-endian ARM ELF; where the program headers start and end."""
    if not data.startswith(ELF_MAGIC):
        raise BoardflashError("not an ELF file (it does not start with 7Fh ELF)", where=str(path))
    if len(data) < _HEADER.size:
        raise BoardflashError(
            f"truncated: {len(data)} bytes, and the ELF header alone has {_HEADER.size}", where=str(path)
        )
    fields = _HEADER.unpack_from(data)
    ident, kind, machine = fields[0], fields[1], fields[2]
    ph_offset, sh_offset = fields[5], fields[6]
    ph_size, ph_count, sh_size, sh_count = fields[9], fields[10], fields[11], fields[12]
    if ident[4] != _ELFCLASS32 or ident[5] != _ELFDATA2LSB:
        raise BoardflashError("not a 32-bit little-endian ELF; the MCU is ARM, 32 bit", where=str(path))
    if machine != _EM_ARM:
        name = _MACHINES.get(machine, f"machine {machine}")
        raise BoardflashError(f"an ELF for {name}; the MCU is ARM (machine {_EM_ARM})", where=str(path))
    if kind not in (_ET_EXEC, _ET_DYN):
        what = _TYPES.get(kind, f"an ELF of type {kind}")
        raise BoardflashError(f"{what}; give the linked executable", where=str(path))
    if ph_count == 0:
        raise BoardflashError("has no program headers, so nothing says where its bytes load", where=str(path))
    if ph_count > _MAX_SEGMENTS:
        raise BoardflashError(
            f"{ph_count} program headers; more than {_MAX_SEGMENTS} are not believed", where=str(path)
        )
    _check_table(path, "program header", ph_offset, ph_count, ph_size, _PROGRAM_HEADER_BYTES, len(data))
    if sh_offset != 0:
        # Extended numbering (sh_count = 0 and the count in section 0) is for more than 65,279 sections.
        if sh_count == 0:
            raise BoardflashError("extended section numbering is not supported", where=str(path))
        if sh_count > _MAX_SECTIONS:
            raise BoardflashError(
                f"{sh_count} section headers; more than {_MAX_SECTIONS} are not believed", where=str(path)
            )
        _check_table(path, "section header", sh_offset, sh_count, sh_size, _SECTION_HEADER_BYTES, len(data))
    return int(ph_offset), int(ph_offset + ph_count * ph_size)


def _check_table(path: Path, name: str, offset: int, count: int, size: int, expected: int, file: int) -> None:
    if size != expected:
        raise BoardflashError(f"damaged ELF file: {name}s of {size} bytes, not {expected}", where=str(path))
    if offset < _HEADER.size or offset + count * size > file:
        raise BoardflashError(
            f"truncated or damaged: the {name} table, {count * size} bytes at offset {offset:#x}, "
            f"does not fit the file's {file} bytes",
            where=str(path),
        )


def _loads(elf: Any) -> Iterator[_Load]:
    for index in range(elf.num_segments()):
        header = elf.get_segment(index).header
        if header["p_type"] != "PT_LOAD":
            continue
        size = header["p_filesz"]
        if size > header["p_memsz"]:
            raise ValueError(
                f"program header {index}: {size} bytes in the file, {header['p_memsz']} in memory"
            )
        if size:
            yield _Load(index, header["p_offset"], header["p_vaddr"], header["p_paddr"], size)


def _sections(elf: Any) -> Iterator[_Section]:
    """Allocated sections. Thread-local ones without contents take up no addresses."""
    for index in range(elf.num_sections()):
        section = elf.get_section(index)
        header = section.header
        if not header["sh_flags"] & _SHF_ALLOC or header["sh_type"] == "SHT_NULL" or not header["sh_size"]:
            continue
        contents = header["sh_type"] != "SHT_NOBITS"
        if contents or not header["sh_flags"] & _SHF_TLS:
            name = one_line(section.name)[:64] or f"section {index}"
            yield _Section(name, header["sh_offset"], header["sh_addr"], header["sh_size"], contents)


def _check_load(path: Path, load: _Load, file: int) -> None:
    where = f"{path}: program header {load.index}"
    if load.end > file:
        raise BoardflashError(
            f"truncated or damaged: {load.size} bytes at offset {load.offset:#x}, the file has {file}",
            where=where,
        )
    if load.physical + load.size > _ADDRESS_SPACE:
        raise BoardflashError(
            f"{load.size} bytes at {load.physical:#010x} run beyond the 32-bit address space", where=where
        )


def _sections_of(
    loads: Sequence[_Load], sections: Sequence[_Section]
) -> tuple[dict[int, list[_Section]], list[_Section]]:
    """The sections that begin among the bytes of each program header, by its index, and those of none. Where
    several headers share bytes of the file, a section is loaded by those that give it its own address, if any
    does."""
    owned: dict[int, list[_Section]] = {load.index: [] for load in loads}
    homeless = []
    for section in sections:
        sharing = [load for load in loads if load.offset <= section.offset < load.end]
        for load in [load for load in sharing if _agrees(load, section)] or sharing:
            owned[load.index].append(section)
        if not sharing:
            homeless.append(section)
    return owned, homeless


def _agrees(load: _Load, section: _Section) -> bool:
    return section.address - load.virtual == section.offset - load.offset


def _parts_by_sections(load: _Load, own: Sequence[_Section], sections: Sequence[_Section]) -> Iterator[_Part]:
    """The bytes of one program header in order; sections may lie in each other, each byte comes once."""
    if not own:
        yield _Part(load.offset, load.end, load.name, "no section with contents begins here")
        return
    covered = _covered(load, sections)
    at = own[0].offset
    if at > load.offset:
        headers = "ELF headers and filling" if load.offset < _HEADER.size else "filling"
        yield _Part(load.offset, at, load.name, f"{headers} before {own[0].name}")
    before = own[0].name
    for section in own:
        if section.offset > at:
            yield from _gap(at, section.offset, f"between {before} and {section.name}", covered)
            at = section.offset
        end = min(section.end, load.end)
        if end > at:
            yield _Part(at, end, section.name)
            at, before = end, section.name
        if section.end > load.end:
            told = (
                f"the file has only {load.end - section.offset} of its {section.size} bytes: packed, or cut"
            )
            yield _Part(load.end, section.end, section.name, told)
    if at < load.end:
        yield _Part(at, load.end, load.name, f"behind {before}, the last section")


def _covered(load: _Load, sections: Sequence[_Section]) -> list[_Part]:
    """Where in the file the sections without contents would lie: in order and apart."""
    found: list[_Part] = []
    for section in sorted(sections, key=lambda s: s.address):
        start = max(load.offset + section.address - load.virtual, found[-1].end if found else load.offset)
        end = min(load.offset + section.address + section.size - load.virtual, load.end)
        if not section.contents and start < end:
            found.append(_Part(start, end, section.name, "without contents: the device's own bytes"))
    return found


def _gap(start: int, end: int, name: str, covered: Sequence[_Part]) -> Iterator[_Part]:
    """What lies between two sections: filling, and places of sections without contents."""
    at = start
    for hole in covered[bisect_right(covered, start, key=lambda part: part.end) :]:
        if hole.start >= end:
            break
        first, last = max(hole.start, at), min(hole.end, end)
        if first > at:
            yield _Part(at, first, name)
        yield replace(hole, start=first, end=last)
        at = last
    if at < end:
        yield _Part(at, end, name)


def _parts_by_headers(load: _Load, data: bytes, table: tuple[int, int]) -> Iterator[_Part]:
    """Without sections: all but headers at the start, and the filling behind them."""
    start = load.offset
    if start < _HEADER.size:
        start = _HEADER.size
    if table[0] <= start < table[1]:
        start = table[1]
    if start > load.offset:
        start = _after_headers(data, min(start, load.end), load.end)
        yield _Part(load.offset, start, load.name, "ELF headers and filling")
    if start < load.end:
        yield _Part(start, load.end, load.name)


def _after_headers(data: bytes, start: int, end: int) -> int:
    """Where contents start in a segment that begins with the headers.

    What follows the headers is filled with zeros up to the first section's alignment, and nothing in
    the file tells that filling from contents. Whole words of zeros are taken for filling: a vector table
    does not start with one, and zeros written below an application would be as wrong as the headers.
    """
    rest = data[start:end].lstrip(b"\0")
    first = end - len(rest)
    return max(start, first - first % 4) if rest else end
