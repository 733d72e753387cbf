"""The wire between a simulated J-Link and the board: what a transfer costs, and what can go wrong on it.

SWD, ARM ADIv5: a 32-bit transfer is an 8-bit request, a turnaround, 3 bits of acknowledge, 33 bits of
data with parity and another turnaround: 46 clocks. The AHB-AP's address register counts up within
1 KiB only, so each 1 KiB that a transfer touches costs one transfer more.

What a memory access costs agrees with the log of a J-Link V9 at 4 MHz, DLL V7.86c (Assemcorp,
PY32F002B_Flash_R-W: 128 bytes in 1.23 ms, 656 in 2.74 ms). What the control calls cost is in the logs of
V6.30h (vkeiper, TouchGfxStm32F746Disco1: this very MCU, J-Link OB on the ST-LINK), V7.22b (Aull-su,
STM32_Standrad_Libs), V7.82a (AmbiqMicroFAEs, run_from_ram_ap4_plus) and V7.86c: OpenEx 114 to 131 ms,
Connect 137 to 234, Reset 66 to 76, Go 2.8 to 7.6, IsHalted 0.7 to 2.7; the middle of each is taken here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from boardflash.sim.target import Target

TAR_BLOCK = 1024
PS_PER_US = 1_000_000
PS_PER_S = 1_000_000_000_000
PS_PER_KHZ_CLOCK = 1_000_000_000


@dataclass(frozen=True)
class LinkCosts:
    """The time of a call that waits for the target passes half before it acts, half after."""

    swd_clocks_per_word: int = 46
    call_latency_us: int = 1000
    """USB round trip of an access to memory or to a register."""
    open_us: int = 122_500
    connect_us: int = 185_500
    reset_us: int = 71_000
    go_us: int = 5_200
    halted_us: int = 1_700
    """Both to ask whether the core stands and to halt it."""
    bytes_per_second_max: int = 1_000_000
    """What a J-Link BASE or EDU moves at most, at any clock (SEGGER: "up to 1 MB/s"); 0: no such limit."""


#: By name, as `--fault calls=NAME` takes them. real: what control calls of a real J-Link cost. flat: 1 ms for
#: each, as for an access to memory, opening free, and no limit but the clock's.
CALL_COSTS = {
    "real": LinkCosts(),
    "flat": LinkCosts(
        open_us=0, connect_us=1000, reset_us=1000, go_us=1000, halted_us=1000, bytes_per_second_max=0
    ),
}


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
    dll_crash_at_call: int = 0
    """The call that ends in an access violation, which ctypes makes an OSError of on Windows (square/pylink
    #27 and #67: in the connection to a locked part)."""
    licence_window_ms: int = 0
    """How long a window asks for the terms of use: OpenEx blocks until somebody has answered it. Probes made
    of an ST-LINK and EDU probes show it once a day; no command string prevents it (square/pylink #41)."""


class Wire:
    """Moves bytes between a board and the probe, and charges the board's clock for it."""

    def __init__(self, target: Target, costs: LinkCosts) -> None:
        self.target = target
        self.costs = costs
        self.speed_khz = 100
        self._remainder = 0  # of the last division, so that no picosecond is lost over many transfers

    @contextmanager
    def round_trip(self, cost_us: int | None = None) -> Iterator[None]:
        """Both halves of a call's time, around what it does."""
        whole = (self.costs.call_latency_us if cost_us is None else cost_us) * PS_PER_US
        self.target.advance(whole // 2)
        try:
            yield
        finally:
            self.target.advance(whole - whole // 2)

    def transfers(self, count: int) -> None:
        """`count` transfers of 32 bits pass; the core runs meanwhile."""
        clocks = count * self.costs.swd_clocks_per_word * PS_PER_KHZ_CLOCK + self._remainder
        ps, self._remainder = divmod(clocks, self.speed_khz)
        if self.costs.bytes_per_second_max:
            ps = max(ps, count * 4 * PS_PER_S // self.costs.bytes_per_second_max)
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
