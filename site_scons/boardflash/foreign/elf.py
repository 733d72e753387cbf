"""The parts of an Arm ELF file that flash loaders are made of: sections, segments, symbols."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError
from boardflash.files import MIB, read_file

ALLOCATED = 0x2  # SHF_ALLOC
#: Of the file, and of what it wants to have in the target's RAM.
LOADER_MOST = 16 * MIB
SECTIONS_MOST = 4096


class LoaderElf:
    """A loader file, opened. Every fault is told with the file's name."""

    def __init__(self, path: Path, shown: str = "") -> None:
        """`shown` is the file's name in messages; its path by default."""
        self.shown = shown or path.as_posix()
        try:
            data = read_file(path, LOADER_MOST)
        except BoardflashError as error:
            raise self.fault(error.message) from None
        except FileNotFoundError:
            raise self.fault("no such file") from None
        except OSError as error:
            raise self.fault(f"cannot be read: {error.strerror}") from None
        try:
            self._elf = ELFFile(io.BytesIO(data))
            self._sections: list[Any] = list(self._elf.iter_sections())
            self._segments: list[Any] = [s for s in self._elf.iter_segments() if s["p_type"] == "PT_LOAD"]
            self.symbols = self._symbol_table()
        except Exception as error:  # pyelftools raises many kinds for files that are no ELF or end early
            if isinstance(error, ELFError) and data[:4] != b"\x7fELF":
                raise self.fault("not an ELF file; a .FLM and a .stldr are ELF files") from None
            raise self.fault(f"a damaged ELF file: {' '.join(str(error).split())[:64]}") from None
        sizes = [s["sh_size"] for s in self._sections if s["sh_flags"] & ALLOCATED]
        sizes += [s["p_memsz"] for s in self._segments]
        if max(sizes, default=0) > LOADER_MOST or len(self._sections) > SECTIONS_MOST:
            raise self.fault("a damaged ELF file: no loader takes so much memory, or has so many sections")
        machine = self._elf.get_machine_arch()
        if machine != "ARM" or self._elf.elfclass != 32 or not self._elf.little_endian:
            order = "little" if self._elf.little_endian else "big"
            raise self.fault(
                f"made for {machine}, {self._elf.elfclass} bit, {order}-endian; a 32-bit little-endian Arm"
                " loader is expected"
            )

    def fault(self, message: str) -> BoardflashError:
        return BoardflashError(message, where=self.shown)

    def sections(self, name: str) -> list[tuple[int, bytes]]:
        """(address, bytes) of every section of that name that takes memory; zeros where the file has none."""
        return [self._section(s) for s in self._sections if s.name == name and s["sh_flags"] & ALLOCATED]

    def allocated(self) -> list[tuple[str, int, bytes]]:
        """(name, address, bytes) of all sections that lie in memory, by address."""
        found = [(s.name, *self._section(s)) for s in self._sections if s["sh_flags"] & ALLOCATED]
        return sorted((item for item in found if item[2]), key=lambda item: item[1])

    def segments(self) -> list[tuple[int, bytes]]:
        """(address, bytes) of what is to be loaded, zeros to the end of each in memory."""
        found = []
        for segment in self._segments:
            data = segment.data()
            found.append((int(segment["p_vaddr"]), data + bytes(int(segment["p_memsz"]) - len(data))))
        return sorted(item for item in found if item[1])

    def require(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.symbols:
                raise self.fault(f"symbol {name} is missing")

    def struct_at(self, symbol: str, size: int) -> bytes:
        """`size` bytes of the object that the symbol names; fewer where its section ends."""
        address, index = self.symbols[symbol]
        section = self._sections[index] if isinstance(index, int) and index < len(self._sections) else None
        if section is None:
            raise self.fault(f"symbol {symbol} lies in no section")
        start, data = self._section(section)
        return data[address - start : address - start + size]

    def functions(self, names: Iterable[str]) -> dict[str, int]:
        """Addresses without the Thumb bit, of those names that are there."""
        return {name: self.symbols[name][0] & ~1 for name in names if name in self.symbols}

    def _section(self, section: Any) -> tuple[int, bytes]:
        size = int(section["sh_size"])
        empty = section["sh_type"] == "SHT_NOBITS"
        return int(section["sh_addr"]), bytes(size) if empty else bytes(section.data())

    def _symbol_table(self) -> dict[str, tuple[int, object]]:
        table = self._elf.get_section_by_name(".symtab")
        if table is None:
            return {}
        return {
            s.name: (int(s["st_value"]), s["st_shndx"])
            for s in table.iter_symbols()
            if s.name and s["st_shndx"] != "SHN_UNDEF"
        }
