"""The bytes of an ELF file that belong into a memory (System V ABI chapters 4 and 5, AAELF32).

Program headers say where bytes are loaded (LMA = p_paddr), sections say which of them are meant.
Linkers start the first PT_LOAD at file offset 0 if the alignment lets them, so that it holds the ELF
header and the program headers; written to flash, those would land below the application, on whatever
is there. So only bytes of allocated sections with contents count. In a file without such sections the
segments count, their headers left out.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment

ELF_MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")  # Elf32_Ehdr
_PROGRAM_HEADER_BYTES = 32  # Elf32_Phdr
_SECTION_HEADER_BYTES = 40  # Elf32_Shdr
_ELFCLASS32, _ELFDATA2LSB = 1, 1
_ET_EXEC, _ET_DYN = 2, 3
_EM_ARM = 40
_SHF_ALLOC = 0x2
_MAX_SEGMENTS = 256
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


@dataclass(frozen=True)
class _Section:
    name: str
    offset: int
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


def load_elf(path: Path, data: bytes) -> tuple[Segment, ...]:
    """The segments of an ELF file, one for each section; `path` is for messages."""
    headers_end = _check_header(path, data)
    try:
        elf = ELFFile(io.BytesIO(data))
        loads = tuple(_loads(elf))
        sections = tuple(_sections(elf))
    except BoardflashError:
        raise
    except Exception as error:  # pyelftools answers hostile files with whatever its parser meets
        raise BoardflashError(f"damaged ELF file: {_one_line(error)}", where=str(path)) from error
    for load in loads:
        _check_load(path, load, len(data))
    return tuple(
        _by_sections(path, data, loads, sections)
        if sections
        else _by_segments(path, data, loads, headers_end)
    )


def _check_header(path: Path, data: bytes) -> int:
    """Refuse what is not a linked 32-bit little-endian ARM ELF; the end of the ELF and program headers."""
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
        _check_table(path, "section header", sh_offset, sh_count, sh_size, _SECTION_HEADER_BYTES, len(data))
    return int(max(_HEADER.size, ph_offset + ph_count * ph_size))


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
    """Allocated sections with contents."""
    for index in range(elf.num_sections()):
        section = elf.get_section(index)
        header = section.header
        if not header["sh_flags"] & _SHF_ALLOC or header["sh_type"] in ("SHT_NOBITS", "SHT_NULL"):
            continue
        if header["sh_size"]:
            name = _printable(section.name) or f"section {index}"
            yield _Section(name, header["sh_offset"], header["sh_addr"], header["sh_size"])


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


def _by_sections(
    path: Path, data: bytes, loads: Sequence[_Load], sections: Sequence[_Section]
) -> Iterator[Segment]:
    budget = len(data)  # no linker loads the same bytes of the file over and over
    for section in sections:
        for load in loads:
            if section.end <= load.offset or section.offset >= load.end:
                continue
            if section.address - load.virtual != section.offset - load.offset:
                continue  # the bytes are shared, but this header does not place this section
            if section.offset < load.offset or section.end > load.end:
                raise BoardflashError(
                    f"damaged ELF file: {section.size} bytes at {section.address:#010x} are only partly "
                    f"inside program header {load.index}",
                    where=f"{path}: {section.name}",
                )
            budget -= section.size
            if budget < 0:
                raise BoardflashError("damaged ELF file: it loads more bytes than it has", where=str(path))
            lma = load.physical + section.offset - load.offset
            yield Segment(lma, data[section.offset : section.end], f"{path}: {section.name}")


def _by_segments(path: Path, data: bytes, loads: Sequence[_Load], headers_end: int) -> Iterator[Segment]:
    budget = len(data)
    for load in loads:
        start = load.offset
        if start < headers_end:
            start = _after_headers(data, min(headers_end, load.end), load.end)
        if start >= load.end:
            continue
        budget -= load.end - start
        if budget < 0:
            raise BoardflashError("damaged ELF file: it loads more bytes than it has", where=str(path))
        lma = load.physical + start - load.offset
        yield Segment(lma, data[start : load.end], f"{path}: program header {load.index}")


def _after_headers(data: bytes, start: int, end: int) -> int:
    """Where contents start in a segment that begins with the headers.

    What follows the headers is filled with zeros up to the first section's alignment, and nothing in
    the file tells that filling from contents. Whole words of zeros are taken for filling: a vector table
    does not start with one, and zeros written below an application would be as wrong as the headers.
    """
    rest = data[start:end].lstrip(b"\0")
    first = end - len(rest)
    return max(start, first - first % 4) if rest else end


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:64]


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return _printable(text) if len(text) <= 64 else _printable(text[:61]) + "..."
