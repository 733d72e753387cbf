"""How data is cut for the link: what is worth sending, packed where that pays, short towards the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import lz4.block

from boardflash.image.model import ERASED

#: Blank pages between written ones are sent along up to this many bytes: cheaper than another command.
SMALL_GAP = 1024
#: Shorter ones cost more calls than they save.
CHUNK_MIN = 4 * 1024
#: Lengths are whole multiples of this.
CHUNK_STEP = 1024
#: What can't be packed goes in commands of this length: the device begins with the first of them early.
RAW_CHUNK = 24 * 1024
#: At most so much smaller is each chunk than the one before.
SHRINK_LEAST = 0.25
#: A block that saves less than this share is sent as it is.
WORTH_PACKING = 16
_LEVEL = 9  # of LZ4's high compression: a slower search on the host, the same decoder


class ChunkSizes:
    """How long the next chunk of a lane may be.

    The device can't begin a chunk before all of it has come, and programs the last one when nothing is left
    to send. Where the link is the slower one, chunks shrink towards the end, so that each is programmed while
    the next one comes; where the device is, they grow from a short first one. `device_per_link` is the time
    that the device takes for a byte, divided by the link's.
    """

    def __init__(self, limit: int, device_per_link: float) -> None:
        self.limit = limit
        self._ratio = device_per_link
        self._left = 0
        self._last = 0

    def plan(self, total: int, *, at_once: bool) -> None:
        """`total` bytes are going to be programmed; `at_once`: the device has nothing to erase before."""
        self._left = total
        self._last = 0 if at_once else self.limit

    def next(self) -> int:
        if self._ratio < 1:
            wanted = int(self._left * max(1 - self._ratio, SHRINK_LEAST))
        else:
            wanted = int(self._last * self._ratio)
        return min(self.limit, max(CHUNK_MIN, wanted // CHUNK_STEP * CHUNK_STEP))

    def sent(self, size: int) -> None:
        self._left = max(0, self._left - size)
        self._last = size


def stretches(
    address: int, data: bytes, page_size: int, limit: Callable[[], int]
) -> Iterator[tuple[int, int]]:
    """(address, size) of what must be programmed: pages of all FFh left out, at most `limit()` bytes each."""
    start: int | None = None
    last = 0
    at = 0
    most = 0
    blank = bytes([ERASED]) * page_size
    while at < len(data):
        step = min(page_size - (address + at) % page_size, len(data) - at)
        if data[at : at + step] != blank[:step]:
            if start is not None and (at - last > SMALL_GAP or at + step - start > most):
                yield address + start, last - start
                start = None
            if start is None:
                start, most = at, limit()
            last = at + step
        at += step
    if start is not None:
        yield address + start, last - start


def joined(parts: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """(address, bytes) as they come, those that adjoin made one."""
    found: list[tuple[int, list[bytes]]] = []
    end = -1
    for address, data in parts:
        if address == end:
            found[-1][1].append(data)
        else:
            found.append((address, [data]))
        end = address + len(data)
    return [(address, b"".join(pieces)) for address, pieces in found]


def sent_size(data: bytes) -> int:
    """About how many bytes cross the link for `data`: good for weighing one plan against another."""
    return min(len(data), len(lz4.block.compress(data, store_size=False)))


def packed(data: bytes) -> bytes | None:
    """The LZ4 block that stands for `data`, where sending it instead pays."""
    block: bytes = lz4.block.compress(data, mode="high_compression", compression=_LEVEL, store_size=False)
    return block if len(block) + len(data) // WORTH_PACKING <= len(data) else None
