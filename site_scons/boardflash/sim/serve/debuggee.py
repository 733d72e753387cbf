"""The board as a debugger sees it: run control, registers, memory, breakpoints and flash.

Flash is written by a `Programmer`, the real way: a flash loader that runs on the board. While the core
still stands where a reset left it, a flash chip behind a controller is read that way too, since nothing has
set its controller up; once the firmware has run, the debugger sees what the core would see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from boardflash.sim.serve.boardmap import BoardMap
from boardflash.sim.serve.breakpoints import BKPT, Breakpoints
from boardflash.sim.serve.wire import Wire
from boardflash.sim.target import BusFault, Target

PC = 15
DHCSR = 0xE000_EDF0
S_LOCKUP = 1 << 19
CORE_REGISTERS = range(19)
READ_AHEAD = 0x1_0000
"""Starting the loader costs more than reading 64 KiB with it."""


class Programmer(Protocol):
    """Works with a loader on the board, leaves the core halted in reset. Raises BoardflashError."""

    def program(self, erases: Sequence[tuple[int, int]], writes: Mapping[int, bytes]) -> None:
        """Make the ranges blank and the bytes what they are to be; verified."""

    def read(self, address: int, size: int) -> bytes:
        """The flash's own content."""


class Debuggee:
    def __init__(
        self,
        target: Target,
        board_map: BoardMap,
        programmer: Programmer,
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        """`kept` is told whenever flash has been written: it may be put on disk."""
        self.target = target
        self.map = board_map
        self.wire = Wire(target)
        self.breakpoints = Breakpoints(self.wire, board_map.ram)
        self._programmer = programmer
        self._kept = kept
        self._as_reset = False
        self._ahead: dict[int, bytes] = {}
        self._erases: list[tuple[int, int]] = []
        self._writes: dict[int, bytes] = {}

    # -- run control --------------------------------------------------------------------------------

    def attach(self) -> None:
        """Halt, as a debugger finds it best."""
        self.halt()

    def detach(self) -> None:
        """Nothing of the debugger stays behind; the core goes on."""
        self.let_go()
        self.resume()

    def let_go(self) -> None:
        """Nothing of the debugger stays behind; the core is left as it is."""
        self.breakpoints.clear_all()
        self._erases.clear()
        self._writes.clear()

    @property
    def halted(self) -> bool:
        return self.target.halted()

    @property
    def locked_up(self) -> bool:
        """A fault in a fault handler: the core does nothing any more (Armv7-M B1.5.15)."""
        return not self.halted and bool(self.wire.read_word(DHCSR) & S_LOCKUP)

    @property
    def pc(self) -> int:
        return self.target.read_register(PC)

    def halt(self) -> None:
        self.wire.spend()
        self.target.halt()

    def resume(self) -> None:
        """From a breakpoint too: the instruction there runs first."""
        if not self.halted:
            return
        if self.breakpoints.kind_at(self.pc) is not None:
            self.step()
        self._skip_bkpt()
        self._changed()
        self.wire.spend()
        self.target.resume()

    def step(self) -> None:
        self._changed()
        self._skip_bkpt()
        self.wire.spend()
        with self.breakpoints.lifted(self.pc):
            self.target.step()

    def _skip_bkpt(self) -> None:
        """From a BKPT that the firmware itself has (it would stop there for ever)."""
        pc = self.pc
        with suppress(BusFault):
            if self.breakpoints.kind_at(pc) is None and self.wire.read(pc, 2)[1] == BKPT[1]:
                self.write_register(PC, pc + 2)

    def reset(self, *, halt: bool) -> None:
        self.wire.spend()
        self.target.reset(halt)
        self._changed()
        self._as_reset = halt

    # -- registers and memory -------------------------------------------------------------------------

    def read_register(self, number: int) -> int:
        return self.target.read_register(number)

    def write_register(self, number: int, value: int) -> None:
        self.target.write_register(number, value)

    def read_memory(self, address: int, size: int) -> bytes:
        """Raises BusFault. Breakpoints don't show."""
        area = self.map.flash_at(address, size)
        if area is not None and area.behind_controller and self._as_reset:
            return self._read_by_loader(address, size, area.base)
        return self.breakpoints.hide(address, self.wire.read(address, size))

    def write_memory(self, address: int, data: bytes) -> None:
        """Raises BusFault. Breakpoints stay."""
        if not any(base <= address and address + len(data) <= base + size for base, size in self.map.ram):
            self._changed()
        self.wire.write(address, self.breakpoints.keep(address, data))

    # -- flash ----------------------------------------------------------------------------------------

    def flash_erase(self, address: int, size: int) -> None:
        """Noted until `flash_done`. ValueError outside of flash."""
        if self.map.flash_at(address, size) is None or not size:
            raise ValueError(f"{size} bytes at {address:#010x} are in no flash")
        self._erases.append((address, size))

    def flash_write(self, address: int, data: bytes) -> None:
        """Noted until `flash_done`. ValueError outside of flash."""
        if self.map.flash_at(address, len(data)) is None:
            raise ValueError(f"{len(data)} bytes at {address:#010x} are in no flash")
        if sum(map(len, self._writes.values())) + len(data) > self.map.flash_bytes:
            raise ValueError("more than both memories hold, and no vFlashDone")
        if data:
            self._writes[address] = data

    def flash_done(self) -> None:
        """Erase, program and verify what was noted; the core is then halted at its reset vector."""
        erases, writes = merged(self._erases), dict(self._writes)
        self._erases.clear()
        self._writes.clear()
        if not erases and not writes:
            return
        with self._lent():
            self._programmer.program(erases, writes)
        self._kept()

    def _read_by_loader(self, address: int, size: int, base: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            at = address + len(out)
            start = at - (at - base) % READ_AHEAD
            if start not in self._ahead:
                registers = [self.target.read_register(n) for n in CORE_REGISTERS]
                area = self.map.flash_at(start, 1)
                assert area is not None
                with self._lent(keep_ahead=True):
                    self._ahead[start] = self._programmer.read(start, min(READ_AHEAD, area.end - start))
                for n, value in zip(CORE_REGISTERS, registers, strict=True):
                    self.target.write_register(n, value)
            out += self._ahead[start][at - start :][: size - len(out)]
        return bytes(out)

    @contextmanager
    def _lent(self, *, keep_ahead: bool = False) -> Iterator[None]:
        """The board is the loader's for a while: RAM is put back afterwards."""
        self.halt()
        ram = []
        for base, size in self.map.ram:
            try:
                ram.append((base, self.wire.read(base, size)))
            except BusFault:  # described, but not on this board
                continue
        try:
            with self.breakpoints.suspended():
                yield
        finally:
            if not keep_ahead:
                self._changed()
            self.target.reset(halt=True)
            for base, content in ram:
                self.wire.write(base, content)
            self._as_reset = True

    def disturbed(self) -> None:
        """Somebody else has had the board in hand: it may be no longer as we know it."""
        self._changed()

    def _changed(self) -> None:
        """The board is no longer as a reset leaves it, or its flash not as it was."""
        self._as_reset = False
        self._ahead.clear()


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes as the fewest ranges, in order."""
    out: list[tuple[int, int]] = []
    for address, size in sorted(ranges):
        if out and address <= out[-1][0] + out[-1][1]:
            start, length = out[-1]
            out[-1] = (start, max(start + length, address + size) - start)
        else:
            out.append((address, size))
    return out
