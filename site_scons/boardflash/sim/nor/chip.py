"""What the bus and the board see of a serial NOR flash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from boardflash.sim.nor.options import ChipOptions


@dataclass
class ChipStats:
    """What the chip did since power-up, for tests and benchmarks."""

    erases: dict[int, int] = field(default_factory=dict)  # erase unit in bytes -> how often
    pages_programmed: int = 0
    bytes_programmed: int = 0
    bytes_read: int = 0  # of the array


class NorChip(Protocol):
    """A chip between the falling and the rising edge of nCS.

    Levels are nibbles, bit n = line IOn, one byte for each clock; a line that nobody drives has the level
    that the bus gives it. `at_ps` is board time: the controller works ahead of or behind the core.
    """

    name: str
    size: int
    dirty: bool  # array or non-volatile registers changed; the board clears it after saving

    @property
    def array(self) -> bytearray:
        """The cells; load with `array[:] = ...`."""

    @property
    def stats(self) -> ChipStats: ...

    @property
    def steady(self) -> bool:
        """What the chip puts out from here on depends on neither time nor further input."""

    def select(self, at_ps: int) -> None:
        """nCS falls."""

    def clock_in(self, levels: bytes) -> None:
        """Clocks in which the host does not listen."""

    def clock_out(self, idle: int, clocks: int, at_ps: int) -> bytes:
        """Clocks in which the host listens: levels of the bus; `idle` are those without the chip."""

    def read_bytes(self, lines: int, count: int) -> bytes | None:
        """Fast `clock_out`: None unless the chip is putting out data on `lines` lines, at a byte's start."""

    def write_bytes(self, lines: int, data: bytes) -> bool:
        """Fast path of `clock_in`: False unless the chip takes data on `lines` lines from a byte's start."""

    def deselect(self, at_ps: int) -> None:
        """nCS rises: the command is carried out or dropped."""

    def settle(self, at_ps: int) -> None:
        """Bring the chip's inner work up to `at_ps` (before the board saves the array, for instance)."""

    def next_change_ps(self) -> int | None:
        """When a status bit next changes by itself."""

    def power_cycle(self) -> None: ...

    def nonvolatile(self) -> dict[str, int]:
        """Registers that outlive a power cycle (not the array)."""

    def restore(self, registers: dict[str, int]) -> None:
        """Non-volatile registers from an earlier life; then power comes, and the start state."""

    def impose(self, options: ChipOptions) -> None:
        """The same with `registers`, `quad_enable` and stuck cells of the options, over what it holds."""
