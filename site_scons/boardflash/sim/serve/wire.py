"""What a debug server does with a `Target`, and what that costs on a 4 MHz SWD wire behind USB.

A call that waits for its answer takes a millisecond, a word 46 clocks, as behind the simulated J-Link.
"""

from __future__ import annotations

from boardflash.sim.target import Target

CALL_PS = 1_000_000_000
WORD_PS = 46 * 250_000
WIDEST = 4


class Wire:
    def __init__(self, target: Target) -> None:
        self.target = target

    def spend(self, size: int = 0) -> None:
        """One call that moves `size` bytes; the board lives on meanwhile."""
        self.target.advance(CALL_PS + (size + 3) // 4 * WORD_PS)

    def read(self, address: int, size: int) -> bytes:
        """By the widest accesses that fit. Raises BusFault."""
        self.spend(size)
        return b"".join(self.target.read_memory(at, n, width) for at, n, width in accesses(address, size))

    def write(self, address: int, data: bytes) -> None:
        """By the widest accesses that fit. Raises BusFault."""
        for at, size, width in accesses(address, len(data)):
            self.target.write_memory(at, data[at - address : at - address + size], width)
        self.spend(len(data))

    def read_word(self, address: int) -> int:
        """A register of the debug units, at no cost: it travels with what is done anyway."""
        return int.from_bytes(self.target.read_memory(address, 4, 4), "little")

    def write_word(self, address: int, value: int) -> None:
        self.target.write_memory(address, value.to_bytes(4, "little"), 4)


def accesses(address: int, size: int) -> list[tuple[int, int, int]]:
    """(address, size, width) of the accesses that move a range: narrow ones to alignment, then words."""
    cuts = []
    end = address + size
    while address < end:
        width = WIDEST
        while address % width or address + width > end:
            width //= 2
        stop = end - (end - address) % width if width == WIDEST else address + width
        cuts.append((address, stop - address, width))
        address = stop
    return cuts
