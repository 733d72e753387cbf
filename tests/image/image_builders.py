"""Real ELF files by both toolchains, and small ones made by hand."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLCHAINS = ("zig", "gcc")

SOURCE = """
typedef unsigned int u32;
extern u32 stack_top;
void reset(void);
__attribute__((section(".vectors"), used)) void *const vectors[4] = {
    &stack_top, (void *)reset, (void *)0x11223344, (void *)0x55667788 };
volatile u32 counter = 0xC0FFEE11u;
volatile u32 zeroed[64];
__attribute__((section(".qspi"), used)) const unsigned char picture[6000] = { 0x50, 0x49, 0x43 };
__attribute__((used)) void reset(void) { for (;;) { counter += zeroed[3] + picture[counter & 1023]; } }
"""

SCRIPT = """
ENTRY(reset)
MEMORY {{
  FLASH (rx) : ORIGIN = {origin:#x}, LENGTH = 0x40000
  QSPI (r)   : ORIGIN = 0x90000000, LENGTH = 0x1000000
  RAM (rwx)  : ORIGIN = 0x20000000, LENGTH = 0x50000
}}
stack_top = 0x20050000;
SECTIONS {{
  .vectors : {{ KEEP(*(.vectors)) }} > FLASH
  .text    : {{ *(.text*) }} > FLASH
  .rodata  : {{ *(.rodata*) }} > FLASH
  .ARM.exidx : {{ *(.ARM.exidx*) }} > FLASH
  .data    : {{ *(.data*) }} > RAM AT> FLASH
  .bss (NOLOAD) : {{ *(.bss*) *(COMMON) }} > RAM
  .qspi    : {{ KEEP(*(.qspi)) }} > QSPI
  /DISCARD/ : {{ *(.comment) *(.ARM.attributes) }}
}}
"""


def compiler(toolchain: str) -> list[str]:
    if toolchain == "zig":
        return [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            "thumb-freestanding-eabi",
            "-mcpu=cortex_m7",
        ]
    found = shutil.which("arm-none-eabi-gcc")
    if found is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    return [found, "-mcpu=cortex-m7", "-mthumb"]


def link_elf(folder: Path, toolchain: str, origin: int) -> Path:
    """An application linked at `origin`: vectors, code, .data with its load address in flash, QSPI data."""
    folder.mkdir(parents=True, exist_ok=True)
    source, script, elf = folder / "app.c", folder / "app.ld", folder / "app.elf"
    source.write_text(SOURCE)
    script.write_text(SCRIPT.format(origin=origin))
    command = [
        *compiler(toolchain),
        *("-Os", "-g", "-ffreestanding", "-nostdlib", "-nostartfiles", "-T", str(script)),
        *("-Wl,-e,reset", "-Wl,--build-id=none", "-o", str(elf), str(source)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return elf


def without_sections(data: bytes) -> bytes:
    """The same ELF as `strip --strip-section-headers` leaves it."""
    out = bytearray(data)
    struct.pack_into("<I", out, 32, 0)  # e_shoff
    struct.pack_into("<HHH", out, 46, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    return bytes(out)


@dataclass(frozen=True)
class FakeLoad:
    offset: int
    address: int
    size: int
    physical: int | None = None


@dataclass(frozen=True)
class FakeSection:
    name: str
    offset: int
    address: int
    size: int
    kind: int = 1  # SHT_PROGBITS
    flags: int = 2  # SHF_ALLOC


def fake_elf(
    loads: list[FakeLoad],
    sections: list[FakeSection] | None = None,
    contents: dict[int, bytes] | None = None,
    size: int = 0x400,
) -> bytes:
    """An ELF32 ARM executable with the program and section headers that a test wants."""
    contents = contents or {}
    out = bytearray(max([size, *(at + len(part) for at, part in contents.items())]))
    for at, part in contents.items():
        out[at : at + len(part)] = part
    for i, load in enumerate(loads):
        physical = load.address if load.physical is None else load.physical
        row = (1, load.offset, load.address, physical, load.size, load.size, 5, 4)
        struct.pack_into("<8I", out, 52 + 32 * i, *row)
    table, count = 0, 0
    if sections is not None:
        names = b"\0" + b"".join(s.name.encode() + b"\0" for s in sections) + b".shstrtab\0"
        strings = len(out)
        out += names
        out += bytes(-len(out) % 4)
        table, count = len(out), len(sections) + 2
        out += bytes(40)
        at = 1
        for s in sections:
            out += struct.pack("<10I", at, s.kind, s.flags, s.address, s.offset, s.size, 0, 0, 4, 0)
            at += len(s.name) + 1
        out += struct.pack("<10I", at, 3, 0, 0, strings, len(names), 0, 0, 1, 0)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    last = max(count - 1, 0)
    entry = (ident, 2, 40, 1, 0, 52, table, 0, 52, 32, len(loads), 40 if count else 0, count, last)
    struct.pack_into("<16sHHIIIIIHHHHHH", out, 0, *entry)
    return bytes(out)
