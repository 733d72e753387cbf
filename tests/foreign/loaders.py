"""Builds the tiny loaders of these tests; nothing of any vendor is in them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from boardflash.loader.compile import ZIG_FLAGS, Toolchain

HERE = Path(__file__).parent
FLAGS = ("-std=c11", "-Os", "-g0", "-ffreestanding", "-fno-builtin", "-ffunction-sections", "-fdata-sections")
FLAGS += (
    "-fno-exceptions",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-pic",
    "-Wall",
    "-Werror",
)
MOVABLE = ("-fropi", "-frwpi")

INTERNAL_FLM = {
    "BASE": "0x08000000u",
    "SIZE": "0x00100000u",
    "PAGE": "1024u",
    "SECTORS": "{0x8000u, 0u}, {0x20000u, 0x20000u}, {0x40000u, 0x40000u}, {0xFFFFFFFFu, 0xFFFFFFFFu}",
}


def build_tiny(path: Path, memory: str = "tiny_nor.c", **defines: str) -> Path:
    """`path` ends in .FLM or .stldr; `defines` are the sources' macros."""
    movable = path.suffix == ".FLM"
    path.parent.mkdir(parents=True, exist_ok=True)
    zig = Toolchain.zig().command
    macros = [f"-D{name}={value}" for name, value in defines.items()]
    objects = []
    for source in (memory, "tiny_flm.c" if movable else "tiny_stldr.c"):
        output = path.with_name(f"{path.stem}-{Path(source).stem}.o")
        flags = [*ZIG_FLAGS, *FLAGS, *(MOVABLE if movable else ()), *macros, f"-I{HERE}"]
        _run([*zig, "cc", *flags, "-c", str(HERE / source), "-o", str(output)])
        objects.append(str(output))
    script = HERE / ("tiny.flm.ld" if movable else "tiny.stldr.ld")
    link = ["-m", "armelf", "-e", "Init", "--build-id=none", "-T", str(script)]
    _run([*zig, "ld.lld", *link, *objects, "-o", str(path)])
    return path


def _run(command: list[str]) -> None:
    cache = Path(tempfile.gettempdir()) / "boardflash-zig-tests"
    names = {"ZIG_GLOBAL_CACHE_DIR": str(cache / "global"), "ZIG_LOCAL_CACHE_DIR": str(cache / "local")}
    subprocess.run(command, check=True, env={**os.environ, **names})
