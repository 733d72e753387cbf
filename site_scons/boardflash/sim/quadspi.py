"""The QUADSPI controller of STM32F7 (RM0385 chapter 14; register facts from the CMSIS headers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from boardflash.sim.nor.chip import NorChip
from boardflash.sim.target import VirtualClock


class Pads(Protocol):
    """Which of the controller's signals arrive at the chip. May also have `line_map()`."""

    def reaches(self, signal: str) -> bool:
        """`signal` is one of clk, ncs, io0, io1, io2, io3: its pin has the right mode, function and wire."""


class QuadSpi:
    """Registers at 0xA0001000 and the window at 0x90000000; a `Peripheral` of sim/target.py."""

    def __init__(
        self,
        clock: VirtualClock,
        kernel_hz: Callable[[], int],
        pads: Pads,
        chips: Sequence[NorChip | None],
    ) -> None:
        raise NotImplementedError

    def read(self, offset: int, width: int) -> int:
        raise NotImplementedError

    def write(self, offset: int, value: int, width: int) -> None:
        raise NotImplementedError

    def next_change_ps(self) -> int | None:
        raise NotImplementedError

    def read_is_pure(self, offset: int) -> bool:
        return offset & ~3 != 0x20

    def irq(self) -> bool:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def window_read(self, offset: int, width: int) -> int:
        """An AHB read of 1, 2 or 4 bytes in the memory-mapped window; advances the clock. Raises BusFault."""
        raise NotImplementedError

    def window_bytes(self, offset: int, size: int) -> bytes:
        """Sequential word reads in the window, in bulk."""
        raise NotImplementedError
