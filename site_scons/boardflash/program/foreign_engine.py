"""Erases, programs and reads by way of a loader, each format by its own convention.

FLM: Init for erase (1), program (2) or verify (3) and UnInit around each kind of work; 0 is success.
stldr: one Init; SectorErase with the last byte's address, Write; 1 is success.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from boardflash.foreign import flm, stldr
from boardflash.program.foreign_caller import Caller

FLM_ERASE, FLM_PROGRAM, FLM_VERIFY = 1, 2, 3
READ_BYTES_PER_MS = 100  # a slow serial memory on one line at 1 MHz
VERIFY_MS = 1000  # a page; the format has no limit for it
BLANK = b"\xff"


class Engine(Protocol):
    """What can be asked of a loader in RAM."""

    caller: Caller

    def erase(self, address: int, size: int) -> None:
        """One sector of the loader's own table."""

    def program(self, address: int, data: bytes) -> int:
        """Whole pages; those that are all FFh are left out. How many were programmed."""

    def expose(self) -> None:
        """The memory in its window, where the loader has a way for that."""

    def read(self, address: int, size: int) -> bytes: ...

    def only_compares(self) -> bool:
        """Nothing can be read through it, but what is there be compared with what should be."""

    def holds(self, address: int, data: bytes) -> bool:
        """Whether exactly these bytes are there."""

    def finish(self) -> None:
        """Leave the device as the loader leaves it."""


def engine_of(caller: Caller) -> Engine:
    """Loads it, too."""
    caller.load()
    return FlmEngine(caller) if caller.loader.format == "FLM" else StldrEngine(caller)


def _batches(caller: Caller, address: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Runs of pages that are not blank, each no longer than the buffer."""
    page, most = caller.loader.device.page_size, caller.layout.buffer_size
    start: int | None = None
    for at in range(0, len(data), page):
        blank = not data[at : at + page].strip(BLANK)
        if start is not None and (blank or at - start >= most):
            yield address + start, data[start:at]
            start = None
        if not blank and start is None:
            start = at
    if start is not None:
        yield address + start, data[start:]


def _send(caller: Caller, data: bytes) -> None:
    caller.link.write_memory(caller.layout.buffer, data)
    caller.tally.bytes_sent += len(data)


class FlmEngine:
    """By the CMSIS-Pack convention."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._device, self._limits = caller.loader.device, caller.loader.limits
        self._function = 0

    def erase(self, address: int, size: int) -> None:
        self._enter(FLM_ERASE)
        self._zero("EraseSector", address, limit_ms=self._limits.erase_ms, at=address)

    def program(self, address: int, data: bytes) -> int:
        page, buffer, pages = self._device.page_size, self.caller.layout.buffer, 0
        for start, content in _batches(self.caller, address, data):
            self._enter(FLM_PROGRAM)
            _send(self.caller, content)
            for at in range(0, len(content), page):
                arguments = (start + at, page, buffer + at)
                self._zero("ProgramPage", *arguments, limit_ms=self._limits.program_ms, at=start + at)
                pages += 1
        return pages

    def expose(self) -> None:
        """ST's algorithms for the F7 boards map the memory in Verify alone, whatever that finds."""
        self._enter(FLM_VERIFY)
        caller, address = self.caller, self._device.base
        if caller.maps_window() is False and flm.VERIFY in caller.loader.functions:
            arguments = (address, self._device.page_size, caller.layout.buffer)
            caller.call(flm.VERIFY, *arguments, limit_ms=self._limits.program_ms + VERIFY_MS, at=address)
            caller.free_controller()

    def read(self, address: int, size: int) -> bytes:
        self.expose()
        return _read(self.caller, flm.READ, size, address, "its Init for verification maps no window")

    def only_compares(self) -> bool:
        functions = self.caller.loader.functions
        return flm.READ not in functions and flm.VERIFY in functions and self.caller.maps_window() is False

    def holds(self, address: int, data: bytes) -> bool:
        self._enter(FLM_VERIFY)
        caller, page, started = self.caller, self._device.page_size, self.caller.link.now()
        same = True
        for at in range(0, len(data), page):
            part = data[at : at + page]
            caller.link.write_memory(caller.layout.buffer, part + bytes(-len(part) % 4))
            arguments = (address + at, len(part), caller.layout.buffer)
            result = caller.call(flm.VERIFY, *arguments, limit_ms=VERIFY_MS, at=address + at)
            caller.free_controller()
            caller.tally.bytes_compared += len(part)
            same = result == address + at + len(part)
            if not same:
                break
        caller.tally.comparing_s += caller.link.now() - started
        return same

    def finish(self) -> None:
        if self._function:
            self._zero("UnInit", self._function, limit_ms=self._limits.init_ms, at=self._device.base)
        self._function = 0

    def _enter(self, function: int) -> None:
        if self._function == function:
            return
        self.finish()
        arguments = (self._device.base, 0, function)
        self._zero("Init", *arguments, limit_ms=self._limits.init_ms, at=self._device.base)
        self._function = function

    def _zero(self, name: str, *arguments: int, limit_ms: int, at: int) -> None:
        result = self.caller.call(name, *arguments, limit_ms=limit_ms, at=at)
        if result != 0:
            raise self.caller.fault(f"{_called(name, arguments)} returned {result:#x}, 0 is success", at)


class StldrEngine:
    """By the convention of STM32CubeProgrammer's external loaders."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._device, self._limits = caller.loader.device, caller.loader.limits
        self._ready = False

    def erase(self, address: int, size: int) -> None:
        self._begin()
        self._one("SectorErase", address, address + size - 1, limit_ms=self._limits.erase_ms, at=address)

    def program(self, address: int, data: bytes) -> int:
        self._begin()
        pages = 0
        for start, content in _batches(self.caller, address, data):
            _send(self.caller, content)
            arguments = (start, len(content), self.caller.layout.buffer)
            self._one("Write", *arguments, limit_ms=self._limits.program_ms, at=start)
            pages += len(content) // self._device.page_size
        return pages

    def expose(self) -> None:
        self._begin()

    def read(self, address: int, size: int) -> bytes:
        self.expose()
        return _read(self.caller, stldr.READ, size, address, "its Init maps no window")

    def only_compares(self) -> bool:
        return False

    def holds(self, address: int, data: bytes) -> bool:
        return self.read(address, len(data)) == data

    def finish(self) -> None:
        self._ready = False

    def _begin(self) -> None:
        if not self._ready:
            self._one("Init", limit_ms=self._limits.init_ms, at=self._device.base)
            self._ready = True

    def _one(self, name: str, *arguments: int, limit_ms: int, at: int) -> None:
        result = self.caller.call(name, *arguments, limit_ms=limit_ms, at=at)
        if result != 1:
            raise self.caller.fault(f"{_called(name, arguments)} returned {result:#x}, 1 is success", at)


def _read(caller: Caller, function: str, size: int, address: int, otherwise: str) -> bytes:
    """By the loader's own function, or by the core from the window that the loader has mapped."""
    out = bytearray()
    started = caller.link.now()
    while len(out) < size:
        at = address + len(out)
        step = min(size - len(out), caller.layout.buffer_size)
        limit_ms = 1000 + step // READ_BYTES_PER_MS
        if function in caller.loader.functions:
            out += _own_read(caller, function, at, step, limit_ms)
            continue
        if caller.maps_window() is False:
            raise caller.fault(
                f"there is no {function} in it and {otherwise}, so nothing can be read back through it; name"
                " the chip in [qspi] chips, and boardflash's own loader reads it",
                at,
            )
        out += caller.copy(at, step, limit_ms)
    caller.tally.bytes_read += size
    caller.tally.reading_s += caller.link.now() - started
    return bytes(out)


def _own_read(caller: Caller, function: str, address: int, size: int, limit_ms: int) -> bytes:
    buffer = caller.layout.buffer
    result = caller.call(function, address, size, buffer, limit_ms=limit_ms, at=address)
    caller.free_controller()
    expected = size if caller.loader.format == "FLM" else 1
    if result != expected:
        raise caller.fault(
            f"{_called(function, (address, size, buffer))} returned {result:#x}, {expected:#x} is success",
            address,
        )
    return caller.link.read_memory(buffer, -(-size // 4) * 4)[:size]


def _called(name: str, arguments: tuple[int, ...]) -> str:
    return f"{name}({', '.join(f'{value:#x}' for value in arguments)})"
