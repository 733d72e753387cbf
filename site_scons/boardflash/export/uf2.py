"""One UF2 file of the images of all regions: 512-byte blocks, each with 256 bytes and their address.

The format and the family IDs are those of boardflash.image.uf2. A block that no byte of the image
lies in is left out; one that is covered in part is filled with FFh.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.image.model import RegionImage
from boardflash.image.uf2 import (
    DATA_ROOM,
    FAMILIES,
    FAMILY_ID_PRESENT,
    HEADER,
    MAGIC_END,
    MAGIC_START,
)

from .formats import ExportRequest

PAYLOAD = 256


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
