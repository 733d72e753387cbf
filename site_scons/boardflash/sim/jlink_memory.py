"""Memory access of the simulated J-Link DLL: access widths, counts, and the DLL's copy of flash.

ReadMemEx and WriteMemEx answer with a number of bytes, whatever the width of the access: log of V6.30h on an
STM32F746 ("JLINK_WriteMemEx(0xE0001000, 0x1C Bytes, ..., Flags = 0x02000004) returns 0x1C", vkeiper,
TouchGfxStm32F746Disco1), and those of V7.22b, V7.82a, V7.86c and V8.10. pylink believes units.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boardflash.sim.target import BusFault

if TYPE_CHECKING:
    from boardflash.sim.jlink import Probe

UNSPECIFIED = -1
LINE = 1024

# The windows that the DLL takes for flash: STM32F7 AXI flash, and the QSPI bank (RM0385 section 2.2.2).
FLASH_WINDOWS = ((0x0800_0000, 0x0820_0000), (0x9000_0000, 0xA000_0000))


class MemoryAccess:
    """ReadMem, WriteMem and their kin."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._lines: dict[int, bytes] = {}
        self._reads = 0
        self._writes = 0
        self.cache_enabled = True

    def forget(self) -> None:
        self._lines.clear()

    def JLINKARM_ReadMemEx(self, address: int, size: int, buffer: Any, access: int) -> int:  # noqa: N802
        """Bytes read; fewer than asked for, or a negative code, where the bus faults."""
        address &= 0xFFFF_FFFF
        if not _fits(address, size, access) or ctypes.sizeof(buffer) < size:
            return self._probe.fail(UNSPECIFIED, f"Bad read of {size} bytes at {address:#010x}.")
        stale = self._from_cache(address, size)
        if stale is not None:
            ctypes.memmove(buffer, stale, size)
            return size
        code = self._probe.begin()
        if code < 0:
            return code
        self._reads += 1
        if self._reads == self._probe.faults.short_read:
            size = _half(size, access)
        got = bytearray()
        with self._probe.link().round_trip():
            try:
                for start, length, width in _cuts(address, size, access):
                    for block in self._probe.link().read(start, length, width):
                        got += block
            except BusFault as fault:
                self._probe.fail(UNSPECIFIED, f"Could not read memory: {fault}")
                if not got:
                    return UNSPECIFIED
        ctypes.memmove(buffer, bytes(got), len(got))
        self._to_cache(address, bytes(got))
        return len(got)

    def JLINKARM_WriteMemEx(self, address: int, size: int, buffer: Any, access: int) -> int:  # noqa: N802
        """Bytes written; fewer than asked for, or a negative code, where the bus faults."""
        address &= 0xFFFF_FFFF
        if not _fits(address, size, access) or ctypes.sizeof(buffer) < size:
            return self._probe.fail(UNSPECIFIED, f"Bad write of {size} bytes at {address:#010x}.")
        return self._write(address, bytes(memoryview(buffer).cast("B")[:size]), access)

    def JLINKARM_ReadMemU64(self, address: int, count: int, buffer: Any, _status: Any) -> int:  # noqa: N802
        read = self.JLINKARM_ReadMemEx(address, count * 8, buffer, 4)
        return read // 8 if read >= 0 else read

    def JLINKARM_WriteU8(self, address: int, value: int) -> int:  # noqa: N802
        return self._write_value(address, value, 1)

    def JLINKARM_WriteU16(self, address: int, value: int) -> int:  # noqa: N802
        return self._write_value(address, value, 2)

    def JLINKARM_WriteU32(self, address: int, value: int) -> int:  # noqa: N802
        return self._write_value(address, value, 4)

    def JLINKARM_WriteU64(self, address: int, value: int) -> int:  # noqa: N802
        return self._write_value(address, value, 8)

    def _write_value(self, address: int, value: int, size: int) -> int:
        data = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
        access = min(size, 4)
        if address % access:
            return 1
        return 0 if self._write(address & 0xFFFF_FFFF, data, access) == size else 1

    def _write(self, address: int, data: bytes, access: int) -> int:
        was_connected = self._probe.wire is not None
        code = self._probe.begin()
        if code < 0:
            if self._probe.pulled_now and was_connected:
                with suppress(BusFault):
                    sum(self._transfer(address, data[: _half(len(data), access)], access))
            return code
        self._writes += 1
        if self._writes == self._probe.faults.short_write:
            data = data[: _half(len(data), access)]
        written = 0
        with self._probe.link().round_trip():
            try:
                for count in self._transfer(address, data, access):
                    written += count
            except BusFault as fault:
                self._probe.fail(UNSPECIFIED, f"Could not write memory: {fault}")
                if not written:
                    return UNSPECIFIED
        return written

    def _transfer(self, address: int, data: bytes, access: int) -> Iterator[int]:
        for start, length, width in _cuts(address, len(data), access):
            piece = data[start - address : start - address + length]
            yield from self._probe.link().write(start, piece, width)

    def _from_cache(self, address: int, size: int) -> bytes | None:
        """The DLL's copy, if it has all of the range. A write by the target does not change the copy."""
        if not (self.cache_enabled and self._probe.connected and size and _is_flash(address, size)):
            return None
        first = address // LINE * LINE
        lines = [self._lines.get(at) for at in range(first, address + size, LINE)]
        if any(line is None for line in lines):
            return None
        whole = b"".join(line for line in lines if line is not None)
        return whole[address - first : address - first + size]

    def _to_cache(self, address: int, data: bytes) -> None:
        """Keep the whole lines among what was read."""
        if not (self.cache_enabled and _is_flash(address, len(data))):
            return
        for at in range(-(-address // LINE) * LINE, address + len(data) - LINE + 1, LINE):
            self._lines[at] = data[at - address : at - address + LINE]


def _is_flash(address: int, size: int) -> bool:
    return any(low <= address and address + size <= high for low, high in FLASH_WINDOWS)


def _fits(address: int, size: int, access: int) -> bool:
    if access not in (0, 1, 2, 4) or size < 0 or address + size > 1 << 32:
        return False
    return not access or (address % access == 0 and size % access == 0)


def _cuts(address: int, size: int, access: int) -> list[tuple[int, int, int]]:
    """(address, length, width) of the accesses; 0 leaves the width to the DLL."""
    if access:
        return [(address, size, access)] if size else []
    end = address + size
    first = min(end, (address + 3) & ~3)
    last = max(first, end & ~3)
    cuts = [(address, first - address, 1), (first, last - first, 4), (last, end - last, 1)]
    return [cut for cut in cuts if cut[1]]


def _half(size: int, access: int) -> int:
    unit = access or 1
    return size // unit // 2 * unit
