"""What an image is: bytes at addresses, gathered into one image a region, cut into digestible pieces.

The digest is BLAKE2s (RFC 7693) with a 128-bit result, the one that the target loader computes over
the device's own flash.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

DIGEST_BYTES = 16
ERASED = 0xFF  # what NOR flash, and the STM32 internal flash, reads after an erase


def digest_of(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE2s-128, as `OP_DIGEST` of the loader answers it."""
    return hashlib.blake2s(data, digest_size=DIGEST_BYTES).digest()


@dataclass(frozen=True)
class Segment:
    """A run of bytes at an absolute address."""

    address: int
    data: bytes
    source: str  # for messages: the input's file name, and what part of it

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class LeftOut:
    """Bytes of an input that are written nowhere."""

    address: int
    size: int
    source: str  # as for a segment
    reason: str


@dataclass(frozen=True)
class Contents:
    """What an input, or several, put into memories, and what of them is left out on purpose."""

    segments: tuple[Segment, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class MemoryRange:
    """A memory by name; whether it is flash or RAM is the caller's knowledge."""

    name: str
    base: int
    size: int

    @property
    def end(self) -> int:
        return self.base + self.size


@dataclass(frozen=True)
class Piece:
    """What one digest covers: covered bytes that lie within one granule."""

    address: int
    size: int
    digest: bytes

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class RegionImage:
    """All bytes for one region.

    `runs` are sorted, do not overlap and do not touch: each is a maximal run of covered bytes.
    """

    name: str
    base: int
    size: int
    runs: tuple[Segment, ...]

    @property
    def end(self) -> int:
        return self.base + self.size

    @property
    def address(self) -> int:
        """The first covered byte."""
        return self.runs[0].address

    @property
    def length(self) -> int:
        """From the first covered byte to the last, gaps included."""
        return self.runs[-1].end - self.runs[0].address

    @property
    def byte_count(self) -> int:
        """Covered bytes, gaps left out."""
        return sum(run.size for run in self.runs)

    def covered(self, address: int, size: int) -> tuple[tuple[int, int], ...]:
        """The parts (address, size) of a range that the image has bytes for."""
        end = address + size
        return tuple(
            (max(run.address, address), min(run.end, end) - max(run.address, address))
            for run in self._runs_in(address, end)
        )

    def pieces(self, granule: int) -> tuple[Piece, ...]:
        """Each covered run, cut at multiples of `granule` from the region's base, with its digest."""
        found: list[Piece] = []
        for run in self.runs:
            view = memoryview(run.data)
            start = run.address
            while start < run.end:
                granule_end = start + granule - (start - self.base) % granule
                stop = min(granule_end, run.end)
                data = view[start - run.address : stop - run.address]
                found.append(Piece(start, stop - start, digest_of(data)))
                start = stop
        return tuple(found)

    def read(self, address: int, size: int) -> bytes:
        """The bytes that a device which was erased and then programmed would show."""
        end = address + size
        out = bytearray([ERASED]) * size
        for run in self._runs_in(address, end):
            start, stop = max(run.address, address), min(run.end, end)
            out[start - address : stop - address] = memoryview(run.data)[
                start - run.address : stop - run.address
            ]
        return bytes(out)

    def to_bin(self) -> bytes:
        """First to last covered byte; FFh in the gaps, as the erased device has it."""
        if len(self.runs) == 1:
            return self.runs[0].data
        return self.read(self.address, self.length)

    def _runs_in(self, address: int, end: int) -> Iterator[Segment]:
        index = bisect_right(self.runs, address, key=lambda run: run.address) - 1
        if index < 0 or self.runs[index].end <= address:
            index += 1
        while index < len(self.runs) and self.runs[index].address < end:
            yield self.runs[index]
            index += 1
