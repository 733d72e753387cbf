"""Breakpoints: FPB comparators for code in flash, patched BKPT instructions in RAM.

Armv7-M manual C1.11 (FPB, version 2: a comparator holds any code address) and C1.5 (BKPT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from boardflash.sim.serve.wire import Wire

FP_CTRL, FP_COMP0 = 0xE000_2000, 0xE000_2008
FP_KEY, FP_ENABLE = 2, 1
BKPT = (0xBE00).to_bytes(2, "little")


class Breakpoints:
    """Those of one debugger. `ram` is where an instruction can be patched."""

    def __init__(self, wire: Wire, ram: Sequence[tuple[int, int]]) -> None:
        self._wire = wire
        self._ram = ram
        self._comparators: dict[int, int] = {}  # address -> comparator
        self._patches: dict[int, bytes] = {}  # address -> the instruction that stood there

    def set(self, address: int, *, hardware: bool) -> bool:
        """False if all comparators are in use. Setting one again changes nothing."""
        address &= ~1
        if address in self._patches or address in self._comparators:
            return True
        if not hardware and any(base <= address and address + 2 <= base + n for base, n in self._ram):
            self._patches[address] = self._wire.read(address, 2)
            self._wire.write(address, BKPT)
            return True
        return self._take_comparator(address)

    def clear(self, address: int) -> None:
        """One that is not set is no error: gdb may ask twice."""
        address &= ~1
        if address in self._comparators:
            self._wire.write_word(FP_COMP0 + 4 * self._comparators.pop(address), 0)
        elif address in self._patches:
            if self._wire.read(address, 2) == BKPT:  # else someone has put other code there
                self._wire.write(address, self._patches[address])
            del self._patches[address]

    def clear_all(self) -> None:
        for address in [*self._comparators, *self._patches]:
            self.clear(address)

    def kind_at(self, address: int) -> str | None:
        """`hwbreak`, `swbreak` or nothing, as a stop reply names them."""
        if address in self._comparators:
            return "hwbreak"
        return "swbreak" if address in self._patches else None

    @contextmanager
    def lifted(self, address: int) -> Iterator[None]:
        """Without the breakpoint at this address, so that the instruction there can run."""
        kind = self.kind_at(address)
        if kind is not None:
            self.clear(address)
        try:
            yield
        finally:
            if kind is not None:
                self.set(address, hardware=kind == "hwbreak")

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """With the FPB off: other code runs on the board for a while."""
        control = self._wire.read_word(FP_CTRL)
        self._wire.write_word(FP_CTRL, FP_KEY)
        try:
            yield
        finally:
            self._wire.write_word(FP_CTRL, FP_KEY | control & FP_ENABLE)

    def hide(self, address: int, data: bytes) -> bytes:
        """`data` as read at `address`, with the instructions that the patches stand for."""
        return self._over(address, data, self._patches)

    def keep(self, address: int, data: bytes) -> bytes:
        """`data` to be written at `address`, with the patches in it; what they stand for is noted."""
        for at, old in self._patches.items():
            new = bytearray(old)
            for n in range(2):
                if 0 <= at + n - address < len(data):
                    new[n] = data[at + n - address]
            self._patches[at] = bytes(new)
        return self._over(address, data, dict.fromkeys(self._patches, BKPT))

    @staticmethod
    def _over(address: int, data: bytes, patches: dict[int, bytes]) -> bytes:
        out = bytearray(data)
        for at, code in patches.items():
            for n in range(2):
                if 0 <= at + n - address < len(out):
                    out[at + n - address] = code[n]
        return bytes(out)

    def _take_comparator(self, address: int) -> bool:
        control = self._wire.read_word(FP_CTRL)
        count = control >> 4 & 0xF | control >> 8 & 0x70  # NUM_CODE, in two fields
        free = (n for n in range(count) if not self._wire.read_word(FP_COMP0 + 4 * n) & FP_ENABLE)
        chosen = next(free, None)
        if chosen is None:
            return False
        self._wire.write_word(FP_CTRL, FP_KEY | FP_ENABLE)
        self._wire.write_word(FP_COMP0 + 4 * chosen, address | FP_ENABLE)
        self._comparators[address] = chosen
        return True
