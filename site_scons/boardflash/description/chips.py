"""A chip file into a `Chip`: commands, times and protection of one serial NOR flash.

Terms and quad-enable methods as in JESD216F section 6.4 (basic flash parameter table).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from boardflash.description.amend import apply_assumed
from boardflash.description.model import (
    ONE_LINE_HZ_MAX,
    BlockProtection,
    Chip,
    EraseCommand,
    FailBits,
    Lines,
    ProgramCommand,
    QuadEnable,
    ReadCommand,
    RegisterBits,
)
from boardflash.description.toml_tables import Table, check_head

CHIP_KEYS = (
    "schema",
    "name",
    "vendor",
    "title",
    "jedec_id",
    "size",
    "page_size",
    "quad_enable",
    "address_bytes",
    "enter_4byte",
    "read",
    "program",
    "erase",
    "chip_erase",
    "protection",
    "status_write_max_ms",
    "flag_status",
    "volatile_dummies",
    "volatile_status",
    "address_mode",
    "fail_status",
    "unlock_opcode",
    "clear_only_program",
    "sfdp_sha256",
    "one_line_hz_max",
    "stacked_dies",
)
_READ_LINES = ("1-1-1", "1-1-2", "1-2-2", "1-1-4", "1-4-4")
_ENTER_4BYTE = ("none", "B7", "WREN_B7")
_OWN_DENSITY_CODES = (0x1F,)  # Adesto: in the second byte
_DAY_MS = 86_400_000  # no erase takes a day; keeps times in 32 bits


def parse_chip(data: Mapping[str, Any], file: str, stem: str | None) -> Chip:
    """The chip that `data` describes. `stem` is the file's name, which the chip's must equal."""
    amended, assumptions = apply_assumed(data, file, str(data.get("name", stem)))
    top = Table(amended, file, "", CHIP_KEYS)
    name = check_head(top, stem)
    size = top.integer("size", 4096, 1 << 32)
    page = top.integer("page_size", 1, 4096)
    if page & (page - 1):
        top.fail("page_size", "expected a power of two")
    if size & (size - 1):
        top.fail("size", "expected a power of two, in bytes")
    address_bytes = top.integer("address_bytes", 3, 4)
    if address_bytes == 3 and size > 1 << 24:
        top.fail(
            "address_bytes", f"3 bytes reach 16 MiB only, the chip has {size >> 20} MiB; give 4-byte commands"
        )
    enter = top.choice("enter_4byte", _ENTER_4BYTE, "none")
    if enter != "none" and address_bytes == 3:
        top.fail("enter_4byte", "needs address_bytes = 4")
    read = _read(top)
    quad = QuadEnable(top.choice("quad_enable", tuple(method.value for method in QuadEnable)))
    protection = (
        top.table("protection", ("sr1_mask", "sr2_mask", "sr3_mask")) if "protection" in top else None
    )
    sha = top.text("sfdp_sha256", "")
    if sha and not re.fullmatch(r"[0-9a-f]{64}", sha):
        top.fail("sfdp_sha256", "expected 64 lower-case hexadecimal digits")
    ids = _jedec_ids(top)
    dies = top.integer("stacked_dies", 1, 4, 1)
    _check_density(top, ids, size, dies)
    return Chip(
        name=name,
        file=file,
        vendor=top.text("vendor"),
        title=top.text("title", name),
        jedec_ids=ids,
        size=size,
        page_size=page,
        quad_enable=quad,
        address_bytes=address_bytes,
        enter_4byte=enter,
        read=read,
        program=_program(top),
        erases=_erases(top, size, page),
        chip_erase=_erase(top.table("chip_erase", ("opcode", "typ_ms", "max_ms")), size),
        protection=BlockProtection(
            sr1_mask=protection.integer("sr1_mask", 0, 255, 0) if protection else 0,
            sr2_mask=protection.integer("sr2_mask", 0, 255, 0) if protection else 0,
            sr3_mask=protection.integer("sr3_mask", 0, 255, 0) if protection else 0,
        ),
        status_write_max_ms=top.integer("status_write_max_ms", 1, 60_000),
        flag_status=top.boolean("flag_status", False),
        volatile_dummies=top.boolean("volatile_dummies", False),
        clear_only_program=top.boolean("clear_only_program"),
        sfdp_sha256=sha,
        assumptions=assumptions,
        volatile_status=top.boolean("volatile_status", False),
        address_mode=_address_mode(top),
        fail_status=_fail_status(top),
        stacked_dies=dies,
        one_line_hz_max=top.integer("one_line_hz_max", 1_000_000, 100_000_000, ONE_LINE_HZ_MAX),
        unlock_opcode=top.integer("unlock_opcode", 1, 255) if "unlock_opcode" in top else None,
    )


def _address_mode(top: Table) -> RegisterBits | None:
    if "address_mode" not in top:
        return None
    table = top.table("address_mode", ("opcode", "mask"))
    return RegisterBits(_opcode(table), table.integer("mask", 1, 255))


def _fail_status(top: Table) -> FailBits | None:
    if "fail_status" not in top:
        return None
    table = top.table("fail_status", ("opcode", "erase_mask", "program_mask"))
    return FailBits(
        _opcode(table), table.integer("erase_mask", 1, 255), table.integer("program_mask", 1, 255)
    )


def _jedec_ids(top: Table) -> tuple[bytes, ...]:
    ids = []
    for text in top.texts("jedec_id"):
        if not re.fullmatch(r"[0-9A-Fa-f]{2}( [0-9A-Fa-f]{2}){2,5}", text):
            top.fail("jedec_id", f'"{text}" is no ID; expected three to six bytes like "EF 40 18"')
        ids.append(bytes.fromhex(text))
    if len(set(ids)) != len(ids):
        top.fail("jedec_id", "an ID stands there twice")
    return tuple(ids)


def _check_density(top: Table, ids: tuple[bytes, ...], size: int, dies: int) -> None:
    """The third ID byte is log2 of the size in bytes; many vendors go on from 64 MiB with 20h, 21h, 22h.

    So it is in all IDs that we know the size of, but for codes of their own (Adesto, SST26, Macronix' 1.8 V
    parts), which say nothing here, and for stacks of dies (GD25S512MD, MT25TL01G).
    """
    for jedec in ids:
        code = jedec[2]
        if jedec[0] in _OWN_DENSITY_CODES:
            continue
        said = 1 << code if 0x10 <= code <= 0x1C else 1 << (code - 6) if 0x20 <= code <= 0x22 else 0
        if said and said * dies != size:
            top.fail(
                "size",
                f"{size} bytes, but the JEDEC ID {jedec.hex(' ').upper()} tells {said}; a chip that takes"
                " addresses beyond its end wraps. For a stack of dies give stacked_dies",
            )


def _lines(table: Table, known: tuple[str, ...]) -> Lines:
    text = table.choice("lines", known)
    instruction, address, data = (int(part) for part in text.split("-"))
    return Lines(instruction, address, data)


def _read(top: Table) -> ReadCommand:
    table = top.table(
        "read", ("opcode", "lines", "mode_cycles", "mode_value", "dummy_cycles", "clock_hz_max")
    )
    lines = _lines(table, _READ_LINES)
    mode_cycles = table.integer("mode_cycles", 0, 8, 0)
    whole_byte = 8 // lines.address
    if mode_cycles not in (0, whole_byte):
        table.fail(
            "mode_cycles",
            f"a mode byte on {lines.address} lines takes {whole_byte} clocks; a chip without one has 0",
        )
    if mode_cycles == 0 and "mode_value" in table:
        table.fail("mode_value", "there are no mode clocks to send it in (mode_cycles = 0)")
    if mode_cycles and "mode_value" not in table:
        table.fail(
            "mode_value",
            "the integer is missing: the byte for the mode clocks that keeps continuous read off",
        )
    return ReadCommand(
        opcode=_opcode(table),
        lines=lines,
        mode_cycles=mode_cycles,
        mode_value=table.integer("mode_value", 0, 255, 0),
        dummy_cycles=table.integer("dummy_cycles", 0, 31),  # QUADSPI_CCR.DCYC has 5 bits
        clock_hz_max=table.integer("clock_hz_max", 100_000, 500_000_000),
    )


def _program(top: Table) -> ProgramCommand:
    table = top.table("program", ("opcode", "lines", "typ_us", "max_us"))
    typ, longest = _times(table, "us", 10_000_000)
    return ProgramCommand(_opcode(table), _lines(table, ("1-1-1", "1-1-4", "1-4-4")), typ, longest)


def _erases(top: Table, chip_size: int, page: int) -> tuple[EraseCommand, ...]:
    """Ascending; what divides the chip's size, a power of two, also nests."""
    erases: list[EraseCommand] = []
    for table in top.tables("erase", ("size", "opcode", "typ_ms", "max_ms")):
        size = table.integer("size", 256, 1 << 28)
        if chip_size % size:
            table.fail("size", f"does not divide the chip's size of {chip_size} bytes")
        if size % page:
            table.fail("size", f"is not a whole number of pages of {page} bytes")
        if any(size == other.size for other in erases):
            table.fail("size", "stands there twice")
        erases.append(_erase(table, size))
    return tuple(sorted(erases, key=lambda erase: erase.size))


def _erase(table: Table, size: int) -> EraseCommand:
    typ, longest = _times(table, "ms", _DAY_MS)
    return EraseCommand(size, _opcode(table), typ, longest)


def _opcode(table: Table) -> int:
    return table.integer("opcode", 0, 0xFF)


def _times(table: Table, unit: str, high: int) -> tuple[int, int]:
    typ, longest = table.integer(f"typ_{unit}", 1, high), table.integer(f"max_{unit}", 1, high)
    if typ > longest:
        table.fail(f"typ_{unit}", f"is more than max_{unit} = {longest}")
    return typ, longest
