"""The simulated board as a debug port sees it. Nothing of any probe stands here.

J-Link, OpenOCD and pyOCD adapters all drive this one interface.
"""

from __future__ import annotations

from typing import Protocol


class BusFault(Exception):  # noqa: N818 - the architecture calls it a fault
    """An access that the bus answers with an error."""

    def __init__(self, address: int, reason: str) -> None:
        super().__init__(f"bus fault at {address:#010x}: {reason}")
        self.address = address
        self.reason = reason


class VirtualClock:
    """The one clock of a simulated board, in integer picoseconds since power-up."""

    def __init__(self) -> None:
        self.now_ps = 0

    @property
    def seconds(self) -> float:
        return self.now_ps / 1e12

    def advance_to(self, ps: int) -> None:
        """Move on to `ps`; a moment that has passed already changes nothing."""
        if ps > self.now_ps:
            self.now_ps = ps


class Peripheral(Protocol):
    """A block of registers. `clock.now_ps` is exact whenever one of these is called."""

    def read(self, offset: int, width: int) -> int:
        """The value of `width` bytes at `offset`; may stall: then it advances the clock."""

    def write(self, offset: int, value: int, width: int) -> None: ...

    def next_change_ps(self) -> int | None:
        """When anything that software can see next changes by itself; None = not before a write."""

    def read_is_pure(self, offset: int) -> bool:
        """Reading has no effect and gives the same value until `next_change_ps` or a write."""

    def irq(self) -> bool:
        """Level of the interrupt line at this moment."""

    def reset(self) -> None: ...


class InterruptSource(Peripheral, Protocol):
    """A peripheral with a line to the NVIC."""

    def next_irq_ps(self) -> int | None:
        """When the interrupt line may next rise by itself; None = not before a write."""


class Target(Protocol):
    """One Cortex-M with its debug logic, memories and peripherals."""

    clock: VirtualClock

    def advance(self, ps: int) -> None:
        """Let board time pass. The core runs meanwhile if it is not halted or asleep."""

    def read_memory(self, address: int, size: int, width: int) -> bytes:
        """`size` bytes by accesses of `width` (1, 2, 4) through the AHB-AP, now. Raises BusFault.

        Takes no time by itself beyond bus stalls: the adapter knows what its wire costs and calls
        `advance`. Core debug registers (DHCSR, DCRSR, DEMCR, FPB, DWT, AIRCR) answer here too.
        """

    def write_memory(self, address: int, data: bytes, width: int) -> None: ...

    def halt(self) -> None: ...

    def resume(self) -> None: ...

    def step(self) -> None: ...

    def halted(self) -> bool: ...

    def read_register(self, number: int) -> int:
        """DCRSR numbering: 0-12, 13 SP, 14 LR, 15 PC, 16 xPSR, 17 MSP, 18 PSP, 20 CONTROL..PRIMASK."""

    def write_register(self, number: int, value: int) -> None: ...

    def reset(self, halt: bool) -> None:
        """System reset; with `halt` the core stops at the reset vector. The NOR chip is not reset."""

    def power_cycle(self) -> None: ...
