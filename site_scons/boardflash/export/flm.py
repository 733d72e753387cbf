"""Builds a CMSIS-Pack flash algorithm (.FLM) of a board's QSPI region from the target loader's sources.

Position independent by Clang's -fropi and -frwpi, so the Zig wheel is the one toolchain for it. Layout as
uVision, pyOCD and probe-rs read it (reference flash-engines section 8): PrgCode at 0, PrgData, DevDscr with
`FlashDevice`. The same sources and board give the same bytes in any folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from boardflash.description.model import Board, Chip
from boardflash.errors import BoardflashError
from boardflash.loader.artefact import ABOUT_SECTION
from boardflash.loader.compile import CFLAGS, ZIG_FLAGS, Toolchain
from boardflash.loader.relocations import RELATIVE
from boardflash.loader.render import render
from boardflash.resources import data_dir

SECTOR_SIZE = 0x1_0000
PAGE_SIZE = 4096  # what a host sends at once: pyOCD moves 256-byte pages at half the speed (reference 1.5)
CODE_LIMIT = 8 * 1024
NAME_LIMIT = 127
SOURCES = ("flm.c", "flm_time.c", "stream.c", "runtime.c", "nor.c", "nor_bus.c", "nor_select.c")
SYMBOLS = ("Init", "UnInit", "EraseChip", "EraseSector", "ProgramPage", "BlankCheck", "FlashDevice")
SECTIONS = ("PrgCode", "PrgData", "DevDscr")
INDEPENDENT_FLAGS = ("-fropi", "-frwpi", "-fno-pic")
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
TIMEOUT_S = 120


def build_flm(board: Board, folder: Path, chip_row: int | None = None) -> Path:
    """`folder`/<board>.FLM. It finds its chip by JEDEC ID among the board's, or among `chip_row` alone."""
    if board.qspi is None:
        raise BoardflashError("this board has no QSPI chip to make a flash algorithm for", where=board.file)
    chips = list(enumerate(board.qspi.chips))
    if chip_row is not None:
        if not 0 <= chip_row < len(chips):
            raise BoardflashError(
                f"there is no chip {chip_row}; the board has {len(chips)}", where=board.file
            )
        chips = [chips[chip_row]]
    folder.mkdir(parents=True, exist_ok=True)
    _write_sources(board, chips, folder)
    toolchain = Toolchain.zig()
    objects = []
    for source in [*_copy_sources(board, folder), "board_data.c", "flm_data.c"]:
        output = f"{Path(source).stem}.o"
        flags = [flag for flag in CFLAGS if flag != "-fPIE"]
        command = [*toolchain.command, "cc", *ZIG_FLAGS, *flags, *INDEPENDENT_FLAGS]
        _run([*command, "-I.", "-Isrc", "-c", source, "-o", output], folder)
        _refuse_absolute(folder / output)
        objects.append(output)
    result = folder / f"{board.name}.FLM"
    script = [
        "-m",
        "armelf",
        "-e",
        "Init",
        "--gc-sections",
        "--build-id=none",
        "--discard-all",
        "-z",
        "max-page-size=4096",
        "-T",
        "flm.ld",
    ]
    _run([*toolchain.command, "ld.lld", *script, *objects, "-o", result.name], folder)
    _check(result)
    return result


def _write_sources(board: Board, chips: Sequence[tuple[int, Chip]], folder: Path) -> None:
    for name, text in render(board, "").items():
        if name.startswith("board_data"):
            (folder / name).write_text(text, encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("loader") / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    values = _values(board, chips)
    for name in ("flm_data.c", "flm.ld"):
        text = environment.get_template(f"{name}.j2").render(values)
        (folder / name).write_text(text, encoding="utf-8")


def _values(board: Board, chips: Sequence[tuple[int, Chip]]) -> Mapping[str, Any]:
    sector = _sector_size(board, [chip for _, chip in chips])
    erases = [erase for _, chip in chips for erase in chip.erases if erase.size == sector]
    pages_ms = [-(-PAGE_SIZE // c.page_size) * -(-c.program.max_us // 1000) for _, c in chips]
    region = board.region("qspi")
    return {
        "board": board.name,
        "name": f"{board.name} QSPI"[:NAME_LIMIT],
        "base": f"{region.base:#010x}u",
        "size": f"{min(chip.size for _, chip in chips):#010x}u",
        "page_size": f"{PAGE_SIZE}u",
        "sector_size": f"{sector:#x}u",
        "program_max_ms": f"{max(pages_ms)}u",
        "erase_max_ms": f"{max(erase.max_ms for erase in erases)}u",
        "chips": [
            {"row": row, "length": len(jedec), "id": ", ".join(f"{b:#04x}" for b in jedec), "name": chip.name}
            for row, chip in chips
            for jedec in chip.jedec_ids
        ],
        "about_section": ABOUT_SECTION,
        "code_limit": CODE_LIMIT,
    }


def _sector_size(board: Board, chips: Sequence[Chip]) -> int:
    """64 KiB, or the largest below it that every chip erases at once."""
    common = set.intersection(*({e.size for e in chip.erases if e.size <= SECTOR_SIZE} for chip in chips))
    if not common:
        raise BoardflashError("the board's chips have no erase size in common", where=board.file)
    return max(common)


def _copy_sources(board: Board, folder: Path) -> list[str]:
    root = data_dir("loader")
    driver = f"controllers/{board.mcu.qspi.driver}"
    target = folder / "src"
    target.mkdir(exist_ok=True)
    for header in sorted(root.glob("*.h")):
        shutil.copyfile(header, target / header.name)
    names = [*SOURCES, f"clocks/{board.mcu.clock.driver}.c", f"{driver}.c", f"{driver}_map.c"]
    for name in names:
        if not (root / name).is_file():
            raise BoardflashError(f"there is no driver loader/{name}", where=board.mcu.file)
        shutil.copyfile(root / name, target / Path(name).name)
    return [f"src/{Path(name).name}" for name in names]


def _refuse_absolute(path: Path) -> None:
    """BoardflashError if code or data of this object would point to where it was linked."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            target = elf.get_section(section["sh_info"])
            if not target["sh_flags"] & 2 or target.name.startswith((".ARM.exidx", ".ARM.extab")):
                continue
            for relocation in section.iter_relocations():
                kind = relocation["r_info_type"]
                if kind not in RELATIVE and kind not in STATIC_BASE_RELATIVE:
                    raise BoardflashError(
                        f"{target.name} holds an absolute address (relocation type {kind})", where=path.name
                    )


def _check(path: Path) -> None:
    """An artefact that lacks what its hosts look for is refused here and not on a bench."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        for name in SYMBOLS:
            if table is None or not table.get_symbol_by_name(name):
                raise BoardflashError(f"symbol {name} is missing", where=path.name)
        loaded = [s.name for s in elf.iter_sections() if s["sh_flags"] & 2]
        code = elf.get_section_by_name("PrgCode")
        if loaded != list(SECTIONS) or code["sh_addr"] != 0 or code["sh_type"] != "SHT_PROGBITS":
            raise BoardflashError(f"its sections are {', '.join(loaded)}", where=path.name)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
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
        raise BoardflashError(f"the flash algorithm does not build: {text}", where=command[-3])


def _environment() -> dict[str, str]:
    """Nothing of the caller's but what finds programs and caches; zig needs both of its caches named."""
    kept = ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    environment["LC_ALL"] = "C"
    cache = Path(tempfile.gettempdir()) / "boardflash-zig-export"
    for key, name in (("ZIG_GLOBAL_CACHE_DIR", "global"), ("ZIG_LOCAL_CACHE_DIR", "local")):
        environment[key] = os.environ.get(key) or str(cache / name)
    return environment
