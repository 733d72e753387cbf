"""UF2 files read (github:microsoft/uf2 README.md; the family IDs are its utils/uf2families.json@01a2d565).

A file is blocks of 512 bytes in any order. Every block says how many there are, so a missing one is noticed.
Blocks for several MCUs may stand in one file, each family with its own numbers.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.model import Contents, LeftOut, Segment
from boardflash.image.records import Record, assemble

BLOCK = 512
HEADER = struct.Struct("<8I")
MAGIC_START = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
DATA_ROOM = 476
NOT_MAIN_FLASH = 0x0000_0001
FILE_CONTAINER = 0x0000_1000
FAMILY_ID_PRESENT = 0x0000_2000
MD5_PRESENT = 0x0000_4000
_EXTENSION_TAGS = 0x0000_8000
_FLAGS = NOT_MAIN_FLASH | FILE_CONTAINER | FAMILY_ID_PRESENT | MD5_PRESENT | _EXTENSION_TAGS
_MD5 = struct.Struct("<II16s")  # start and length of a region, and the sum over it
_END = struct.pack("<I", MAGIC_END)

FAMILIES = {
    "ATMEGA32": 0x16573617,
    "CSK4": 0x4F6ACE52,
    "CSK6": 0x6E7348A8,
    "ESP32": 0x1C5F21B0,
    "ESP32C2": 0x2B88D29C,
    "ESP32C3": 0xD42BA06C,
    "ESP32C6": 0x540DDF62,
    "ESP32H2": 0x332726F6,
    "ESP32P4": 0x3D308E94,
    "ESP32S2": 0xBFDD4EEE,
    "ESP32S3": 0xC47E5767,
    "ESP8266": 0x7EAB61ED,
    "FX2": 0x5A18069B,
    "GD32F350": 0x31D228C6,
    "GD32VF103": 0x9AF03E33,
    "KL32L2": 0x7F83E793,
    "LPC55": 0x2ABC77EC,
    "M0SENSE": 0x11DE784A,
    "MIMXRT10XX": 0x4FB2D5BD,
    "MaixPlay-U4": 0x4B684D71,
    "NRF52": 0x1B57745F,
    "NRF52833": 0x621E937A,
    "NRF52840": 0xADA52840,
    "RP2040": 0xE48BFF56,
    "RZA1LU": 0x9517422F,
    "SAMD21": 0x68ED2B88,
    "SAMD51": 0x55114460,
    "SAML21": 0x1851780A,
    "STM32F0": 0x647824B6,
    "STM32F1": 0x5EE21072,
    "STM32F2": 0x5D1A0A2E,
    "STM32F3": 0x6B846188,
    "STM32F4": 0x57755A57,
    "STM32F407": 0x6D0922FA,
    "STM32F407VG": 0x8FB060FE,
    "STM32F7": 0x53B80F00,
    "STM32G0": 0x300F5633,
    "STM32G4": 0x4C71240A,
    "STM32H7": 0x6DB66082,
    "STM32L0": 0x202E3A91,
    "STM32L1": 0x1E1F432D,
    "STM32L4": 0x00FF6919,
    "STM32L5": 0x04240BDF,
    "STM32WB": 0x70D16653,
    "STM32WL": 0x21460FF0,
}
#: Whose parts are flashed here.
_OURS = "STM32"
_NAMES = {number: name for name, number in FAMILIES.items()}


@dataclass(frozen=True)
class _Block:
    index: int  # its place in the file, from 0
    flags: int
    address: int
    size: int
    number: int
    count: int
    family: int | None

    @property
    def data_offset(self) -> int:
        return self.index * BLOCK + HEADER.size


def load_uf2(path: Path, data: bytes, part: str = "") -> Contents:
    """What a UF2 file puts into the flash of `part`, or of any STM32 where that is not known."""
    families: dict[int | None, dict[int, int]] = {}  # for each the blocks' places by their numbers
    counts: dict[int | None, int] = {}
    for block in _blocks(path, data):
        count = counts.setdefault(block.family, block.count)
        if block.count != count:
            raise _fault(
                path, block.index, f"says that there are {block.count} blocks, and others say {count}"
            )
        places = families.setdefault(block.family, {})
        place = places.setdefault(block.number, block.index)
        if _bytes_at(data, place) != _bytes_at(data, block.index):
            raise _fault(path, block.index, f"has number {block.number}, as block {place} has, and differs")
    chosen = _family_for(path, list(families), part)
    _check_whole(path, families[chosen], counts[chosen])
    indices = sorted(families[chosen].values())
    segments = assemble(path, "block", lambda: _flash_records(data, indices))
    _check_sums(path, data, indices, segments)
    return Contents(segments, tuple(_left_out(path, data, families, chosen)))


def _blocks(path: Path, data: bytes) -> Iterator[_Block]:
    if len(data) % BLOCK or not data:
        raise BoardflashError(
            f"{len(data)} bytes are no whole number of {BLOCK}-byte UF2 blocks: the file is cut off",
            where=str(path),
        )
    for index in range(len(data) // BLOCK):
        start = index * BLOCK
        first, second, *_ = HEADER.unpack_from(data, start)
        if (first, second) != MAGIC_START or data[start + BLOCK - 4 : start + BLOCK] != _END:
            raise _fault(path, index, "is no UF2 block: its magic numbers are wrong")
        block = _block_at(data, index)
        room = DATA_ROOM - (_MD5.size if block.flags & MD5_PRESENT else 0)
        if block.flags & ~_FLAGS:
            raise _fault(path, index, f"has flags that are not known, {block.flags & ~_FLAGS:#010x}")
        if block.flags & FILE_CONTAINER:
            raise _fault(path, index, "carries a file for a file system, no flash contents")
        if block.size > room:
            raise _fault(path, index, f"says that it holds {block.size} bytes; it has room for {room}")
        if block.number >= block.count:
            raise _fault(path, index, f"has number {block.number} of {block.count}; the first number is 0")
        yield block


def _block_at(data: bytes, index: int) -> _Block:
    _, _, flags, address, size, number, count, family = HEADER.unpack_from(data, index * BLOCK)
    return _Block(index, flags, address, size, number, count, family if flags & FAMILY_ID_PRESENT else None)


def _bytes_at(data: bytes, index: int) -> memoryview:
    return memoryview(data)[index * BLOCK : (index + 1) * BLOCK]


def _check_whole(path: Path, places: Mapping[int, int], count: int) -> None:
    if len(places) == count:
        return
    missing = next(number for number in range(count) if number not in places)
    raise BoardflashError(
        f"{count - len(places)} of {count} blocks are missing, the first is number {missing}:"
        " the file is not whole",
        where=str(path),
    )


def _family_for(path: Path, families: list[int | None], part: str) -> int | None:
    """The family whose blocks are for `part`; None: the blocks that name no family."""
    fitting = [
        family
        for family in families
        if family is None or (_NAMES.get(family, "?").startswith(_OURS) and _fits(_NAMES[family], part))
    ]
    if not fitting:
        named = ", ".join(_name(family) for family in families if family is not None)
        raise BoardflashError(f"is for {named}, not for {part or f'an {_OURS}'}", where=str(path))
    if len(fitting) > 1:
        named = ", ".join("no family" if family is None else _name(family) for family in fitting)
        raise BoardflashError(
            f"holds contents for {named}, and which of them is meant is not known; name a file for one",
            where=str(path),
        )
    return fitting[0]


def _fits(family: str, part: str) -> bool:
    return not part or part.startswith(family)


def _name(family: int) -> str:
    return f"{_NAMES[family]} ({family:#010x})" if family in _NAMES else f"the unknown family {family:#010x}"


def _flash_records(data: bytes, indices: list[int]) -> Iterator[Record]:
    for index in indices:
        block = _block_at(data, index)
        if not block.flags & NOT_MAIN_FLASH:
            start = block.data_offset
            yield Record(index, block.address, data[start : start + block.size])


def _check_sums(path: Path, data: bytes, indices: list[int], segments: tuple[Segment, ...]) -> None:
    """Each MD5 sum whose region the file covers; the sums of others are for the device's own contents."""
    left = sum(segment.size for segment in segments)
    seen: set[bytes] = set()
    for index in indices:
        block = _block_at(data, index)
        at = block.data_offset + DATA_ROOM - _MD5.size
        entry = data[at : at + _MD5.size]
        if not block.flags & MD5_PRESENT or entry in seen:
            continue
        seen.add(entry)
        address, size, expected = _MD5.unpack(entry)
        following = bisect_right(segments, address, key=lambda segment: segment.address)
        if not following or address + size > segments[following - 1].end:
            continue
        holder = segments[following - 1]
        left -= size  # regions do not overlap; a file in which they do could ask for endless work
        if left < 0:
            raise _fault(path, index, "has an MD5 sum for a region that overlaps that of another block")
        start = address - holder.address
        region = memoryview(holder.data)[start : start + size]
        if hashlib.md5(region, usedforsecurity=False).digest() != expected:
            raise _fault(
                path,
                index,
                f"has an MD5 sum that its {size} bytes at {address:#010x} don't have: the file is damaged",
            )


def _left_out(
    path: Path, data: bytes, families: Mapping[int | None, Mapping[int, int]], chosen: int | None
) -> list[LeftOut]:
    """Blocks that are not written; those that follow each other are told as one."""
    found: list[LeftOut] = []
    for family, places in families.items():
        for index in sorted(places.values()):
            block = _block_at(data, index)
            if family != chosen:
                reason = f"is for {'no family' if family is None else _name(family)}"
            elif block.flags & NOT_MAIN_FLASH:
                reason = 'has the UF2 flag "not main flash"'
            else:
                continue
            last = found[-1] if found else None
            if last and (last.address + last.size, last.reason) == (block.address, reason):
                found[-1] = replace(last, size=last.size + block.size)
            else:
                found.append(LeftOut(block.address, block.size, f"{path} block {index}", reason))
    return found


def _fault(path: Path, index: int, what: str) -> BoardflashError:
    return BoardflashError(what, where=f"{path!s}: block {index}")
