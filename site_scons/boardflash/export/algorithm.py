"""Builds programs that a debugger calls function by function: compiles, links, and refuses what is wrong.

A `Workshop` is a folder for one board and one kind of independence; what several files share is compiled
once. The Zig wheel is the one toolchain. The same sources and board give the same bytes in any folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.loader.compile import CFLAGS, ZIG_FLAGS, Toolchain
from boardflash.loader.relocations import RELATIVE, SHF_ALLOC, refuse_absolute
from boardflash.loader.render import render
from boardflash.resources import data_dir
from boardflash.state import shared_temporary
from boardflash.templates import render_template

TIMEOUT_S = 120

#: Relative to the static base in R9 (IHI 0044 table 4-8).
STATIC_BASE_RELATIVE = {
    9: "R_ARM_SBREL32",
    84: "R_ARM_MOVW_BREL_NC",
    85: "R_ARM_MOVT_BREL",
    86: "R_ARM_MOVW_BREL",
    87: "R_ARM_THM_MOVW_BREL_NC",
    88: "R_ARM_THM_MOVT_BREL",
    89: "R_ARM_THM_MOVW_BREL",
}


@dataclass(frozen=True)
class Independence:
    """How code finds its data wherever both are put."""

    flags: tuple[str, ...]
    relocations: frozenset[int]


#: Code and constants by PC, data by R9, which the host sets: what CMSIS-Pack hosts expect.
BY_R9 = Independence(("-fropi", "-frwpi", "-fno-pic"), frozenset(RELATIVE) | frozenset(STATIC_BASE_RELATIVE))
#: All of it by PC, code and data moved as one piece; the host sets nothing.
BY_PC = Independence(("-fPIE",), frozenset(RELATIVE))


@dataclass(frozen=True)
class Layout:
    """What the linked file must be."""

    script: str  # template of the linker script
    entry: str
    symbols: tuple[str, ...]
    sections: tuple[str, ...]  # those that are loaded, in order; each in the file, with all its bytes
    start: int  # where the first begins


@dataclass
class Workshop:
    """Sources of one board under one set of flags. Templates get `values`."""

    board: Board
    independence: Independence
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    _objects: dict[str, str] = field(default_factory=dict)

    def compile(self, source: str) -> str:
        """The object of loader/`source`, or of the template of that name."""
        if source not in self._objects:
            self._objects[source] = self._compile(self._fetch(source))
        return self._objects[source]

    def link(self, sources: Sequence[str], layout: Layout, result: Path) -> None:
        objects = [self.compile(source) for source in ["board_data.c", *sources]]
        script = self._render(layout.script)
        flags = ("--gc-sections", "--build-id=none", "--discard-all", "-z", "max-page-size=4096")
        command = [*Toolchain.zig().command, "ld.lld", "-m", "armelf", "-e", layout.entry]
        self._run([*command, *flags, "-T", script, *objects, "-o", "result.elf"], result.name)
        made = self.folder / "result.elf"
        check(made, layout, result.name)
        result.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, result)

    def _fetch(self, source: str) -> str:
        """The file in this folder, by its name there."""
        if source == "board_data.c":
            return source
        if (data_dir("loader") / "templates" / f"{source}.j2").is_file():
            return self._render(source)
        path = data_dir("loader") / source
        if not path.is_file():
            raise BoardflashError(f"there is no driver loader/{source}", where=self.board.mcu.file)
        shutil.copyfile(path, self.folder / "src" / path.name)
        return f"src/{path.name}"

    def _render(self, name: str) -> str:
        text = render_template(name, self.values)
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def _compile(self, source: str) -> str:
        output = f"{Path(source).stem}.o"
        flags = [flag for flag in CFLAGS if flag != "-fPIE"]
        command = [*Toolchain.zig().command, "cc", *ZIG_FLAGS, *flags, *self.independence.flags]
        self._run([*command, "-I.", "-Isrc", "-c", source, "-o", output], source)
        refuse_absolute(self.folder / output, self.independence.relocations)
        return output

    def _run(self, command: Sequence[str], what: str) -> None:
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise BoardflashError(f"the compiler does not run: {error}") from error
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
            text = lines[0] if lines else f"exit code {done.returncode}"
            raise BoardflashError(f"the flash algorithm does not build: {text}", where=what)


@contextmanager
def workshop(board: Board, independence: Independence, values: Mapping[str, Any]) -> Iterator[Workshop]:
    """A workshop in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="boardflash-export-") as name:
        folder = Path(name)
        (folder / "src").mkdir()
        for text_name, text in render(board, "").items():
            if text_name.startswith("board_data"):
                (folder / text_name).write_text(text, encoding="utf-8")
        for header in sorted(data_dir("loader").glob("*.h")):
            shutil.copyfile(header, folder / "src" / header.name)
        yield Workshop(board, independence, folder, dict(values))


def check(path: Path, layout: Layout, name: str) -> None:
    """An artefact that lacks what its hosts look for is refused here and not on a bench."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        for symbol in layout.symbols:
            if table is None or not table.get_symbol_by_name(symbol):
                raise BoardflashError(f"symbol {symbol} is missing", where=name)
        loaded = [section for section in elf.iter_sections() if section["sh_flags"] & SHF_ALLOC]
        names = tuple(section.name for section in loaded)
        if names != layout.sections or loaded[0]["sh_addr"] != layout.start:
            raise BoardflashError(f"its sections are {', '.join(names)}", where=name)
        for section in loaded:
            if section["sh_type"] != "SHT_PROGBITS":
                raise BoardflashError(f"section {section.name} is not in the file", where=name)


def _environment() -> dict[str, str]:
    """Nothing of the caller's but what finds programs and caches; zig needs both of its caches named."""
    kept = ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    environment["LC_ALL"] = "C"
    for key, name in (("ZIG_GLOBAL_CACHE_DIR", "global"), ("ZIG_LOCAL_CACHE_DIR", "local")):
        environment[key] = os.environ.get(key) or str(shared_temporary("boardflash-zig") / name)
    return environment
