"""The data cache of the Cortex-M7, as far as data can be lost by it (ARMv7-M ARM, B2.2.7; PM0253 4.8).

Data of RAM are kept as the core sees them. A line that differs between cache and RAM has its other content
here: while the cache is on what RAM holds, while it is off what the cache holds. Only what a test has stored
through the cache differs: an application's data, found by a program that comes without a reset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# 4 KiB in 4 ways (RM0385 1.6, PM0253 table 11)
LINE, SETS, WAYS = 32, 32, 4
TCM_END = 0x20010000  # DTCM is never cached
CSSELR, CCSIDR = 0xD84, 0xD80
CCSIDR_DATA, CCSIDR_CODE = 0xF003E019, 0xF007E009  # Cortex-M7 TRM, table 3-5, for 4 KiB each
DCIMVAC, DCISW, DCCMVAU, DCCMVAC, DCCSW, DCCIMVAC, DCCISW = 0xF5C, 0xF60, 0xF64, 0xF68, 0xF6C, 0xF70, 0xF74
OPERATIONS = (DCIMVAC, DCISW, DCCMVAU, DCCMVAC, DCCSW, DCCIMVAC, DCCISW)
_BY_SET_AND_WAY = (DCISW, DCCSW, DCCISW)
_CLEANING = (DCCMVAU, DCCMVAC, DCCSW, DCCIMVAC, DCCISW)
_SET_SHIFT, _WAY_SHIFT = 5, 30


@dataclass(frozen=True)
class _Line:
    address: int
    other: bytes


class DataCache:
    def __init__(self, get: Callable[[int], bytes], put: Callable[[int, bytes], None]) -> None:
        """`get` and `put` reach RAM by lines."""
        self._get, self._put = get, put
        self._lines: dict[tuple[int, int], _Line] = {}
        self.enabled = False

    def store(self, address: int, data: bytes) -> None:
        """As the core does with the cache on: RAM gets it when the line is cleaned."""
        if not self.enabled or address % LINE or len(data) % LINE or address < TCM_END:
            raise ValueError("whole lines of cached RAM, with the cache on")
        for at in range(0, len(data), LINE):
            self._dirty(address + at)
            self._put(address + at, data[at : at + LINE])

    def _dirty(self, address: int) -> None:
        index = address // LINE % SETS
        ways = [way for way in range(WAYS) if (index, way) in self._lines]
        if any(self._lines[index, way].address == address for way in ways):
            return
        if len(ways) == WAYS:  # one is written back to make room
            del self._lines[index, ways[0]]
            ways = ways[1:]
        way = next(way for way in range(WAYS) if way not in ways)
        self._lines[index, way] = _Line(address, self._get(address))

    def switch(self, on: bool) -> None:
        """CCR.DC. Off, the core sees RAM; the lines stay as they are."""
        if on == self.enabled:
            return
        self.enabled = on
        for key, line in self._lines.items():
            seen = self._get(line.address)
            self._put(line.address, line.other)
            self._lines[key] = _Line(line.address, seen)

    def reset(self) -> None:
        """A reset switches it off; what was dirty is lost (PM0253 4.8: software invalidates before it
        enables)."""
        self.switch(False)
        self._lines.clear()

    def maintain(self, operation: int, value: int) -> None:
        """A write to one of `OPERATIONS`."""
        if operation in _BY_SET_AND_WAY:
            found = [(value >> _SET_SHIFT & SETS - 1, value >> _WAY_SHIFT & WAYS - 1)]
        else:
            found = [key for key, line in self._lines.items() if line.address == value & ~(LINE - 1)]
        for key in found:
            line = self._lines.pop(key, None)
            # Cleaned, RAM gets what the cache holds; else that is gone.
            if line is not None and (operation in _CLEANING) != self.enabled:
                self._put(line.address, line.other)
