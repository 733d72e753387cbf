"""Reads what a chip says of itself: the SFDP header and the basic flash parameter table (BFPT).

Implements JESD216F sections 6.2 (header), 6.3 (parameter headers) and 6.4 (basic table), as far as a chip
file can be compared with it: density, erase types, 1-1-4 and 1-4-4 reads, quad enable, page size, times.
DWORDs beyond a table's stated length are absent, not FFFFFFFFh. SFDP does not say which quad page programs
a chip has (only the 4-byte table does, for its own opcodes).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from boardflash.description.model import Lines, QuadEnable
from boardflash.errors import BoardflashError

SIGNATURE = b"SFDP"
_BASIC_TABLE = 0xFF00
_BASIC_DWORDS_MIN = 9  # JESD216 (2011); a shorter table is no basic table
_ERASE_UNITS_MS = (1, 16, 128, 1000)  # DWORD 10
_CHIP_ERASE_UNITS_MS = (16, 256, 4000, 64_000)  # DWORD 11 bits 30:29
_QUAD_ENABLE = {  # DWORD 15 bits 22:20; 7 is reserved
    0: QuadEnable.NONE,
    1: QuadEnable.S2B1V1,
    2: QuadEnable.S1B6,
    3: QuadEnable.S2B7,
    4: QuadEnable.S2B1V4,
    5: QuadEnable.S2B1V5,
    6: QuadEnable.S2B1V6,
}


@dataclass(frozen=True)
class ParameterHeader:
    identifier: int  # FF00h = basic table, FF84h = 4-byte instructions, FF81h = sector map
    major: int
    minor: int
    dwords: int
    pointer: int


@dataclass(frozen=True)
class SfdpErase:
    size: int
    opcode: int
    typ_ms: int | None  # None where the table ends before DWORD 10
    max_ms: int | None


@dataclass(frozen=True)
class SfdpRead:
    lines: Lines
    opcode: int
    mode_cycles: int  # JESD216 mode clocks; 1 on Micron is the XIP confirmation bit
    dummy_cycles: int  # wait states after them


@dataclass(frozen=True)
class BasicTable:
    """The BFPT, in the units of a chip file."""

    major: int
    minor: int
    size: int  # bytes
    address_bytes: tuple[int, ...]  # (3,), (3, 4) or (4,)
    erases: tuple[SfdpErase, ...]  # by erase type, absent types left out
    reads: tuple[SfdpRead, ...]  # 1-1-4 and 1-4-4, where flagged as supported
    quad_enable: QuadEnable | None  # None: not stated, or the reserved value
    page_size: int | None
    page_typ_us: int | None
    page_max_us: int | None
    chip_erase_typ_ms: int | None
    sha256: str  # of the table's bytes


def parameter_headers(data: bytes) -> tuple[ParameterHeader, ...]:
    """The parameter headers behind the SFDP header."""
    if len(data) < 16 or data[:4] != SIGNATURE:
        found = data[:4].hex(" ").upper() or "nothing"
        raise _fault(f'expected the signature 53 46 44 50 ("SFDP"), found {found}')
    if data[5] != 1:
        raise _fault(f"SFDP major revision {data[5]}; only 1 is known")
    headers = []
    for number in range(data[6] + 1):
        raw = data[8 + 8 * number : 16 + 8 * number]
        if len(raw) < 8:
            raise _fault(f"ends inside parameter header {number} of {data[6] + 1}")
        pointer = int.from_bytes(raw[4:7], "little")
        headers.append(ParameterHeader(raw[0] | raw[7] << 8, raw[2], raw[1], raw[3], pointer))
    return tuple(headers)


def basic_table(data: bytes) -> BasicTable:
    """The newest basic table of an SFDP dump that begins at address 0."""
    basic = [header for header in parameter_headers(data) if header.identifier == _BASIC_TABLE]
    if not basic:
        raise _fault("no basic parameter table (ID FF00h)")
    header = max(basic, key=lambda entry: (entry.major, entry.minor))
    if header.dwords < _BASIC_DWORDS_MIN:
        raise _fault(f"the basic table has {header.dwords} DWORDs; at least {_BASIC_DWORDS_MIN} are needed")
    if header.pointer % 4:
        raise _fault(f"the basic table begins at {header.pointer:#x}, which is not a multiple of 4")
    raw = data[header.pointer : header.pointer + 4 * header.dwords]
    if len(raw) < 4 * header.dwords:
        raise _fault(f"ends inside the basic table, which is {header.pointer:#x} + {4 * header.dwords} bytes")
    return _decode(header, raw)


def _decode(header: ParameterHeader, raw: bytes) -> BasicTable:
    words = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]
    has_times = len(words) >= 11  # from JESD216A on
    page_typ = page_max = chip_erase = page_size = None
    if has_times:
        dword11 = words[10]
        page_size = 1 << _bits(dword11, 7, 4)
        page_typ = (_bits(dword11, 12, 8) + 1) * (64 if _bits(dword11, 13, 13) else 8)
        page_max = page_typ * 2 * (_bits(dword11, 3, 0) + 1)
        chip_erase = (_bits(dword11, 28, 24) + 1) * _CHIP_ERASE_UNITS_MS[_bits(dword11, 30, 29)]
    return BasicTable(
        major=header.major,
        minor=header.minor,
        size=_size(words[1]),
        address_bytes={0: (3,), 1: (3, 4), 2: (4,)}.get(_bits(words[0], 18, 17), ()),
        erases=_erases(words, has_times),
        reads=_reads(words),
        quad_enable=_QUAD_ENABLE.get(_bits(words[14], 22, 20)) if len(words) >= 15 else None,
        page_size=page_size,
        page_typ_us=page_typ,
        page_max_us=page_max,
        chip_erase_typ_ms=chip_erase,
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _size(dword2: int) -> int:
    """DWORD 2: bits minus one, or from 4 Gbit on a power of two."""
    exponent = dword2 & 0x7FFF_FFFF
    if not dword2 >> 31:
        return (exponent + 1) // 8
    if not 3 <= exponent <= 63:
        raise _fault(f"a density of 2^{exponent} bits")
    return 1 << (exponent - 3)


def _erases(words: list[int], has_times: bool) -> tuple[SfdpErase, ...]:
    """DWORDs 8 and 9: four types of 16 bits; DWORD 10: their times."""
    erases = []
    for kind in range(4):
        entry = words[7 + kind // 2] >> (16 * (kind % 2)) & 0xFFFF
        exponent, opcode = entry & 0xFF, entry >> 8
        if exponent == 0:
            continue
        if exponent > 31:
            raise _fault(f"erase type {kind + 1} of 2^{exponent} bytes")
        typ = longest = None
        if has_times:
            field = words[9] >> (4 + 7 * kind) & 0x7F
            typ = ((field & 0x1F) + 1) * _ERASE_UNITS_MS[field >> 5]
            longest = typ * 2 * ((words[9] & 0xF) + 1)
        erases.append(SfdpErase(1 << exponent, opcode, typ, longest))
    return tuple(erases)


def _reads(words: list[int]) -> tuple[SfdpRead, ...]:
    """DWORD 1 says which exist, DWORD 3 how: low half 1-4-4, high half 1-1-4."""
    reads = []
    for flag, lines, half in ((22, Lines(1, 1, 4), words[2] >> 16), (21, Lines(1, 4, 4), words[2] & 0xFFFF)):
        if words[0] >> flag & 1:
            reads.append(SfdpRead(lines, half >> 8, half >> 5 & 7, half & 0x1F))
    return tuple(reads)


def _bits(word: int, high: int, low: int) -> int:
    return word >> low & ((1 << (high - low + 1)) - 1)


def _fault(message: str) -> BoardflashError:
    return BoardflashError(message, where="SFDP")
