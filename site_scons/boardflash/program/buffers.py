"""Hands out the target's data RAM: first fit, small ones from the other end, merged when they come back."""

from __future__ import annotations

ALIGNMENT = 4  # the debug port and the QUADSPI FIFO work in words
SMALL = 8 * 1024  # packed data and answers: between the large ones they would leave gaps that fit nothing


class BufferPool:
    """Free stretches of `[base, end)`; sizes in bytes, rounded up to words."""

    def __init__(self, base: int, end: int) -> None:
        self._free: list[tuple[int, int]] = [(base, end - base)]
        self._taken: dict[int, int] = {}
        self.size = end - base

    def allocate(self, size: int) -> int | None:
        """The address of `size` free bytes, or None when no stretch is long enough at present."""
        wanted = max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
        from_end = wanted < SMALL
        fitting = [index for index, (_, length) in enumerate(self._free) if length >= wanted]
        if not fitting:
            return None
        index = fitting[-1] if from_end else fitting[0]
        start, length = self._free[index]
        if length == wanted:
            del self._free[index]
        else:
            self._free[index] = (start, length - wanted) if from_end else (start + wanted, length - wanted)
        address = start + length - wanted if from_end else start
        self._taken[address] = wanted
        return address

    def free(self, address: int) -> None:
        """Give back what `allocate` returned."""
        size = self._taken.pop(address)
        merged: list[tuple[int, int]] = []
        for start, length in sorted([*self._free, (address, size)]):
            if merged and merged[-1][0] + merged[-1][1] == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((start, length))
        self._free = merged
