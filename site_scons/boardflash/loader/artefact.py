"""Reads a built target loader back: an ELF of ours, checked before any of it goes to a device."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError
from boardflash.files import read_file

from .protocol import MAILBOX_VERSION, VECTORS_SIZE

ABOUT_SECTION = ".boardflash"
SYMBOLS = (
    "bf_entry",
    "bf_fault",
    "bf_vectors",
    "bf_mailbox",
    "bf_buffers_start",
    "bf_buffers_end",
    "bf_stack_top",
)
DIGEST = "bf_digest"
CODE_LIMIT = 14 * 1024  # code and mailbox; stack and data come on top, the rest of the RAM is buffers


@dataclass(frozen=True)
class LoaderArtefact:
    """A target loader and where its parts lie in the target's RAM."""

    elf: Path
    image: bytes  # what goes to `load_address`
    load_address: int
    entry: int  # with the Thumb bit
    fault: int  # handler of every fault, with the Thumb bit
    vectors: int  # where the host puts the vector table, right before the mailbox
    stack_top: int
    mailbox: int
    buffers_base: int
    buffers_end: int
    sha256: str  # of the ELF file
    toolchain: str
    board: str
    digest: int | None  # entry of the digest function for a vendor's window, where it is built in
    chips: tuple[str, ...]  # rows of the chip table, as OP_SELECT_CHIP counts them
    protocol: int


def load_artefact(path: Path) -> LoaderArtefact:
    """The loader in `path`; BoardflashError if it is anything else."""
    try:
        data = read_file(path)
    except OSError as error:
        raise BoardflashError(f"cannot read the target loader: {error.strerror}", where=path.name) from error
    try:
        return _parse(path, data)
    except (ELFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BoardflashError(f"not a target loader of ours: {error}", where=path.name) from error


def _parse(path: Path, data: bytes) -> LoaderArtefact:
    elf = ELFFile(io.BytesIO(data))
    if elf.get_machine_arch() != "ARM" or elf.elfclass != 32 or not elf.little_endian:
        raise ValueError("not a little-endian 32-bit Arm ELF")
    about = elf.get_section_by_name(ABOUT_SECTION)
    if about is None:
        raise ValueError(f"no section {ABOUT_SECTION}")
    facts = json.loads(about.data().rstrip(b"\0"))
    if facts["protocol"] != MAILBOX_VERSION:
        raise ValueError(f"mailbox version {facts['protocol']}, this boardflash speaks {MAILBOX_VERSION}")
    symbols = _symbols(elf)
    load_address, image = _image(elf)
    stack_top = symbols["bf_stack_top"]
    if not load_address <= symbols["bf_entry"] & ~1 < load_address + len(image):
        raise ValueError("its entry lies outside its image")
    if symbols["bf_vectors"] + VECTORS_SIZE != symbols["bf_mailbox"]:
        raise ValueError("its vector table is not right before its mailbox")
    if not 0 < len(image) <= symbols["bf_buffers_start"] - load_address:
        raise ValueError("its image reaches into the buffers")
    return LoaderArtefact(
        elf=path,
        image=image,
        load_address=load_address,
        entry=symbols["bf_entry"] | 1,
        fault=symbols["bf_fault"] | 1,
        vectors=symbols["bf_vectors"],
        stack_top=stack_top,
        mailbox=symbols["bf_mailbox"],
        buffers_base=symbols["bf_buffers_start"],
        buffers_end=symbols["bf_buffers_end"],
        sha256=hashlib.sha256(data).hexdigest(),
        toolchain=facts["toolchain"],
        board=facts["board"],
        digest=symbols.get(DIGEST),
        chips=tuple(facts["chips"]),
        protocol=facts["protocol"],
    )


def _symbols(elf: ELFFile) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise ValueError("no symbol table")
    found = {s.name: int(s["st_value"]) for s in table.iter_symbols() if s.name in (*SYMBOLS, DIGEST)}
    missing = [name for name in SYMBOLS if name not in found]
    if missing:
        raise ValueError(f"symbol {missing[0]} is missing")
    return found


def _image(elf: ELFFile) -> tuple[int, bytes]:
    """One run of bytes from the loaded segments, gaps as zeros."""
    loads = sorted(
        (int(s["p_paddr"]), s.data())
        for s in elf.iter_segments()
        if s["p_type"] == "PT_LOAD" and s["p_filesz"] > 0
    )
    if not loads:
        raise ValueError("it holds no code")
    base = loads[0][0]
    end = max(address + len(data) for address, data in loads)
    if end - base > CODE_LIMIT:
        raise ValueError(f"its image takes {end - base} bytes, more than {CODE_LIMIT}")
    image = bytearray(end - base)
    for address, data in loads:
        image[address - base : address - base + len(data)] = data
    return base, bytes(image)
