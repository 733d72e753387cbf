"""The facts of one part number, read from its TOML file beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import tomli

from boardflash.errors import BoardflashError


@dataclass(frozen=True)
class EraseUnit:
    size: int
    opcode: int
    typ_us: int
    opcode_4b: int | None = None


@dataclass(frozen=True)
class Part:
    """A serial NOR flash by its order number."""

    name: str
    vendor: str  # the vendor model that carries its rules
    jedec_id: bytes  # answer to 9Fh, extended bytes included
    size: int
    page_size: int
    erases: tuple[EraseUnit, ...]
    chip_erase_opcodes: tuple[int, ...]
    chip_erase_us: int
    program_us: int
    program_first_byte_us: int | None  # None: no source says that short programs are shorter
    program_next_byte_us: int
    register_write_us: int
    reset_us: int
    sfdp: bytes  # b"" = no dump of this part is known; 5Ah then answers FFh
    registers: Mapping[str, int]  # factory values
    features: frozenset[str]


def part_names() -> list[str]:
    folder = resources.files(__package__) / "parts"
    return sorted(entry.name[:-5].upper() for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_part(name: str) -> Part:
    """By order number; what follows the known name (package, packing: "ESE40") makes no difference."""
    known = [p for p in part_names() if name.upper().startswith(p)]
    if not known:
        raise BoardflashError(
            f'no simulated chip "{name}"; there are {", ".join(part_names())}', where="twin: chip"
        )
    best = max(known, key=len)
    folder = resources.files(__package__) / "parts"
    raw: dict[str, Any] = tomli.loads((folder / f"{best.lower()}.toml").read_text(encoding="utf-8"))
    if "like" in raw:  # all that it does not say is as there
        raw = tomli.loads((folder / f"{raw['like']}.toml").read_text(encoding="utf-8")) | raw
    times = raw["times"]
    return Part(
        name=raw["name"],
        vendor=raw["vendor"],
        jedec_id=bytes.fromhex(raw["jedec_id"]),
        size=raw["size"],
        page_size=raw["page_size"],
        erases=tuple(EraseUnit(**unit) for unit in raw["erase"]),
        chip_erase_opcodes=tuple(raw["chip_erase_opcodes"]),
        chip_erase_us=times["chip_erase_us"],
        program_us=times["program_us"],
        program_first_byte_us=times.get("program_first_byte_us"),
        program_next_byte_us=times.get("program_next_byte_us", 0),
        register_write_us=times["register_write_us"],
        reset_us=times["reset_us"],
        sfdp=_hex_dump((folder / raw["sfdp"]).read_text(encoding="utf-8")) if "sfdp" in raw else b"",
        registers=raw["registers"],
        features=frozenset(raw.get("features", ())),
    )


def _hex_dump(text: str) -> bytes:
    """`offset: bytes` lines; what lies between them reads FFh."""
    rows: dict[int, bytes] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            offset, _, values = line.partition(":")
            rows[int(offset, 16)] = bytes.fromhex(values)
    dump = bytearray(b"\xff" * max(start + len(row) for start, row in rows.items()))
    for start, row in rows.items():
        dump[start : start + len(row)] = row
    return bytes(dump)
