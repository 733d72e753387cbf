"""Which pieces of an image a device does not hold yet, and how we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from boardflash.image.model import ERASED, RegionImage, digest_of


class Reason(Enum):
    """Why a piece is to be written; the value is what a user reads."""

    DIGEST_DIFFERS = "digest differs"
    BLANK = "device is blank here"
    CLEARS = "bits only clear"
    NO_DIGEST = "device gave no digest"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class GranuleDifference:
    """A piece of the image (all it has in one granule, without gaps) that the device lacks."""

    address: int
    size: int
    reason: Reason
    lacking: tuple[
        tuple[int, int], ...
    ] = ()  # with CLEARS: the stretches (address, size) that are not right yet

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def writes(self) -> tuple[tuple[int, int], ...]:
        """What has to be programmed if nothing is erased."""
        return self.lacking or ((self.address, self.size),)


@lru_cache(maxsize=4096)
def blank_digest(size: int) -> bytes:
    """The digest of `size` erased bytes."""
    return digest_of(bytes([ERASED]) * size)


def compare(
    image: RegionImage, granule: int, device: Mapping[tuple[int, int], bytes]
) -> tuple[GranuleDifference, ...]:
    """The pieces of `image.pieces(granule)` whose digest the device does not show, in address order."""
    found: list[GranuleDifference] = []
    for piece in image.pieces(granule):
        seen = device.get((piece.address, piece.size))
        if seen == piece.digest:
            continue
        if seen is None:
            reason = Reason.NO_DIGEST
        elif seen == blank_digest(piece.size):
            reason = Reason.BLANK
        else:
            reason = Reason.DIGEST_DIFFERS
        found.append(GranuleDifference(piece.address, piece.size, reason))
    return tuple(found)
