"""Builds the target loader of a board: renders its data, compiles, links, checks, names the toolchain.

The same sources, board and toolchain give the same bytes in any folder: every command runs in the output
folder with relative names, fixed flags and an environment of its own.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir
from boardflash.state import shared_temporary

from .artefact import LoaderArtefact, load_artefact
from .relocations import refuse_absolute
from .render import render

ELF_NAME = "loader.elf"
CORE_SOURCES = (
    "start.c",
    "core.c",
    "main.c",
    "time.c",
    "blake2s.c",
    "blake2s_block.S",
    "stream.c",
    "scan.c",
    "unpack.c",
    "internal.c",
    "runtime.c",
)
QSPI_SOURCES = ("qspi.c", "nor.c", "nor_bus.c", "nor_select.c", "ways.c")
NO_QSPI_SOURCES = ("qspi_absent.c", "window.c")

CFLAGS = (
    "-std=c11",
    "-Os",
    "-g0",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-common",
    "-ffunction-sections",
    "-fdata-sections",
    "-fPIE",  # everything relative to the program counter
    "-fno-exceptions",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Werror",
)
ZIG_FLAGS = (
    "-target",
    "thumb-freestanding-eabi",
    "-mcpu=cortex_m7",
    "-fno-sanitize=all",  # zig cc turns on the undefined-behaviour sanitizer by default
    "-Xclang",  # zig cc takes -Oz for -Os; the compiler proper does not
    "-Oz",
)
GCC_FLAGS = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft", "-mpic-data-is-text-relative")
GCC_LINK_FLAGS = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft", "-nostdlib", "-nostartfiles", "-no-pie")

TIMEOUT_S = 120


@dataclass(frozen=True)
class Toolchain:
    """A cross compiler for Cortex-M."""

    name: str  # "zig" or "gcc"
    command: tuple[str, ...]

    @classmethod
    def zig(cls) -> Toolchain:
        """Clang and LLD from the pinned wheel, run by this interpreter."""
        return cls("zig", (sys.executable, "-m", "ziglang"))

    @classmethod
    def gcc(cls) -> Toolchain:
        return cls("gcc", (shutil.which("arm-none-eabi-gcc") or "arm-none-eabi-gcc",))

    def describe(self) -> str:
        """Name and version, as the plan records it: "zig 0.17.1 (clang 21.1.0)"."""
        return _describe(self)

    def available(self) -> bool:
        return shutil.which(self.command[0]) is not None

    def compile_command(self, source: str, output: str) -> list[str]:
        flags = [*CFLAGS, "-I.", "-Isrc", "-c", source, "-o", output]
        if self.name == "zig":
            return [*self.command, "cc", *ZIG_FLAGS, *flags]
        return [*self.command, *GCC_FLAGS, *flags]

    def link_command(self, objects: Sequence[str], output: str) -> list[str]:
        script = ["-e", "bf_entry", "--gc-sections", "--build-id=none", "-T", "loader.ld"]
        if self.name == "zig":
            return [*self.command, "ld.lld", "-m", "armelf", *script, *objects, "-o", output]
        wrapped = [f"-Wl,{flag}" for flag in ("-e,bf_entry", "--gc-sections", "--build-id=none")]
        return [*self.command, *GCC_LINK_FLAGS, *wrapped, "-T", "loader.ld", *objects, "-o", output]


@functools.cache
def _describe(toolchain: Toolchain) -> str:
    environment = _environment(Path(tempfile.gettempdir()))
    if toolchain.name == "zig":
        version = _output([*toolchain.command, "version"], environment)
        banner = _output([*toolchain.command, "cc", "--version"], environment)
        clang = re.search(r"clang version (\S+)", banner)
        return f"zig {version} (clang {clang.group(1)})" if clang else f"zig {version}"
    return f"arm-none-eabi-gcc {_output([*toolchain.command, '-dumpfullversion'], environment)}"


def build_loader(board: Board, folder: Path, toolchain: Toolchain) -> LoaderArtefact:
    """`folder`/loader.elf for `board`, with the rendered sources and objects beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder)
    for name, text in render(board, toolchain.describe()).items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = _copy_sources(board, folder)
    objects = []
    for source in [*sources, "board_data.c"]:
        output = Path(source).stem + ".o"
        _run(toolchain.compile_command(source, output), folder, environment)
        refuse_absolute(folder / output)
        objects.append(output)
    _run(toolchain.link_command(objects, ELF_NAME), folder, environment)
    return load_artefact(folder / ELF_NAME)


def loader_sources(board: Board) -> tuple[Path, ...]:
    """Every file that the loader of this board is made of, for a build system's dependencies."""
    root = data_dir("loader")
    headers = sorted(root.glob("*.h"))
    templates = sorted((root / "templates").glob("*.j2"))
    return (*(root / name for name in _names(board)), *headers, *templates)


def _names(board: Board) -> list[str]:
    """Drivers are chosen by the names in the MCU's file, nowhere else."""
    mcu = board.mcu
    names = [*CORE_SOURCES, f"internal/{mcu.flash.driver}.c", f"clocks/{mcu.clock.driver}.c"]
    if board.qspi:
        return [*names, *QSPI_SOURCES, f"controllers/{mcu.qspi.driver}.c"]
    return [*names, *NO_QSPI_SOURCES]


def _copy_sources(board: Board, folder: Path) -> list[str]:
    """Sources beside the objects, so that no command line names another place."""
    target = folder / "src"
    target.mkdir(exist_ok=True)
    for header in data_dir("loader").glob("*.h"):
        shutil.copyfile(header, target / header.name)
    names = []
    for name in _names(board):
        source = data_dir("loader") / name
        if not source.is_file():
            raise BoardflashError(f"there is no driver loader/{name}", where=board.mcu.file)
        shutil.copyfile(source, target / source.name)
        names.append(f"src/{source.name}")
    return names


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the caller's but what finds programs and caches; zig needs both of its caches named."""
    kept = ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    environment["LC_ALL"] = "C"
    for key, name in (("ZIG_GLOBAL_CACHE_DIR", "global"), ("ZIG_LOCAL_CACHE_DIR", "local")):
        environment[key] = os.environ.get(key) or str(shared_temporary("boardflash-zig") / name)
    return environment


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise BoardflashError(f"the compiler {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BoardflashError(f"the compiler did not finish within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if "error" in line.lower()]
        text = lines[0] if lines else f"exit code {done.returncode}"
        raise BoardflashError(f"the target loader does not build: {text}", where=str(command[-3]))
    return done.stdout


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    return _run(command, Path.cwd(), environment).strip()
