"""The wire between a simulated J-Link and the board: what a transfer costs, and what can go wrong on it.

SWD, ARM ADIv5: a 32-bit transfer is an 8-bit request, a turnaround, 3 bits of acknowledge, 33 bits of
data with parity and another turnaround: 46 clocks. The AHB-AP's address register counts up within
1 KiB only, so each 1 KiB that a transfer touches costs one transfer more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from boardflash.sim.target import Target

TAR_BLOCK = 1024
PS_PER_US = 1_000_000
PS_PER_KHZ_CLOCK = 1_000_000_000


@dataclass(frozen=True)
class LinkCosts:
    swd_clocks_per_word: int = 46
    call_latency_us: int = 1000
    """USB round trip of a call that waits for the target: half before it acts, half after."""


@dataclass(frozen=True)
class LinkFaults:
    """The first call is 1; 0 = never. pylink's questions whether all is connected are not counted."""

    unplug_at_call: int = 0
    """The USB cable: from this call of the library on the probe is gone; if it is a write, half of it has
    arrived. The board keeps its power and goes on."""
    power_cut_at_call: int = 0
    """The board's supply goes, and stays away. An erase or program under way is left half done."""
    kill_at_call: int = 0
    """The process ends as by `kill -9`. The board keeps its power, goes on, and is saved as it then is."""
    short_read: int = 0
    """The read of memory, counted alone, that stops half-way without an error."""
    short_write: int = 0


class Wire:
    """Moves bytes between a board and the probe, and charges the board's clock for it."""

    def __init__(self, target: Target, costs: LinkCosts) -> None:
        self.target = target
        self.costs = costs
        self.speed_khz = 100
        self._remainder = 0  # of the last division, so that no picosecond is lost over many transfers

    @contextmanager
    def round_trip(self) -> Iterator[None]:
        """Both halves of a call's latency, around what it does."""
        half = self.costs.call_latency_us * PS_PER_US // 2
        self.target.advance(half)
        try:
            yield
        finally:
            self.target.advance(self.costs.call_latency_us * PS_PER_US - half)

    def transfers(self, count: int) -> None:
        """`count` transfers of 32 bits pass; the core runs meanwhile."""
        clocks = count * self.costs.swd_clocks_per_word * PS_PER_KHZ_CLOCK + self._remainder
        ps, self._remainder = divmod(clocks, self.speed_khz)
        self.target.advance(ps)

    def read(self, address: int, size: int, width: int) -> Iterator[bytes]:
        """Block by block; raises BusFault where the bus does."""
        for at, length in _blocks(address, size):
            self.transfers(1 + length // width)
            yield self.target.read_memory(at, length, width)

    def write(self, address: int, data: bytes, width: int) -> Iterator[int]:
        """Yields the bytes of each block that has been written."""
        for at, length in _blocks(address, len(data)):
            self.transfers(1 + length // width)
            self.target.write_memory(at, data[at - address : at - address + length], width)
            yield length


def _blocks(address: int, size: int) -> Iterator[tuple[int, int]]:
    end = address + size
    while address < end:
        stop = min(end, (address // TAR_BLOCK + 1) * TAR_BLOCK)
        yield address, stop - address
        address = stop
