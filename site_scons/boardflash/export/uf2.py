"""One UF2 file of the images of all regions: 512-byte blocks, each with 256 bytes and their address.

The format is github:microsoft/uf2 README.md; the family IDs are its utils/uf2families.json@01a2d565. A block
that no byte of the image lies in is left out; one that is covered in part is filled with FFh.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.image.model import RegionImage

from .formats import ExportRequest

MAGIC_START = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FAMILY_ID_PRESENT = 0x0000_2000
PAYLOAD = 256
DATA_ROOM = 476
HEADER = struct.Struct("<8I")

#: By the beginning of the part number; the longest that fits.
FAMILIES = {
    "STM32F4": 0x57755A57,
    "STM32F7": 0x53B80F00,
    "STM32G4": 0x4C71240A,
    "STM32H7": 0x6DB66082,
    "STM32L4": 0x00FF6919,
    "STM32L5": 0x04240BDF,
    "STM32WB": 0x70D16653,
}


def names(board: Board) -> tuple[str, ...]:
    return (f"{board.name}.uf2",)


def write(request: ExportRequest) -> None:
    board = request.board
    path = request.folder / names(board)[0]
    path.write_bytes(encode(request.images, family_of(board)))


def family_of(board: Board) -> int:
    for prefix in sorted(FAMILIES, key=len, reverse=True):
        if board.part.number.startswith(prefix):
            return FAMILIES[prefix]
    raise BoardflashError(f"UF2 has no family ID for {board.part.number}", where=board.file)


def encode(images: Iterable[RegionImage], family: int) -> bytes:
    """All images in address order, as one numbered run of blocks."""
    pages = [
        (address, image.read(address, PAYLOAD))
        for image in sorted(images, key=lambda image: image.base)
        for address in covered_pages(image)
    ]
    return b"".join(
        block(address, data, number, len(pages), family) for number, (address, data) in enumerate(pages)
    )


def covered_pages(image: RegionImage) -> list[int]:
    """The multiples of 256 at which a page begins that holds at least one byte of the image."""
    found: set[int] = set()
    for run in image.runs:
        found.update(range(run.address - run.address % PAYLOAD, run.end, PAYLOAD))
    return sorted(found)


def block(address: int, data: bytes, number: int, count: int, family: int) -> bytes:
    head = HEADER.pack(*MAGIC_START, FAMILY_ID_PRESENT, address, len(data), number, count, family)
    return head + data.ljust(DATA_ROOM, b"\0") + struct.pack("<I", MAGIC_END)
