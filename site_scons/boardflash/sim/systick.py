"""SysTick, the core's own timer (ARMv7-M ARM, B3.3).

A 24-bit down-counter. Here it is an up-counter of cycles since the last reload; CVR is what is left.
It stands still while the core is halted by a debugger and goes on while the core sleeps.
"""

from __future__ import annotations

from boardflash.sim.clocks import CycleCounter
from boardflash.sim.target import VirtualClock

CSR, RVR, CVR, CALIB = 0x10, 0x14, 0x18, 0x1C
ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16


class SysTick:
    def __init__(self, clock: VirtualClock, hclk_hz: int) -> None:
        self._hclk_hz = hclk_hz
        self._counter = CycleCounter(clock, hclk_hz)
        self._control = 0
        self._reload = 0
        self._next_zero = 0  # counter value at which CVR next reaches zero; 0 = it will not
        self._flag = False
        self._frozen = False
        self.pended = False  # a zero was reached with TICKINT; the exception model takes and clears it

    def reset(self) -> None:
        self._control = self._reload = self._next_zero = 0
        self._flag = self.pended = False
        self._counter.stop()
        self._counter.value = 0
        self._counter.set_rate(self._hclk_hz // 8)

    def read(self, offset: int) -> int:
        self.catch_up()
        if offset == CSR:
            value = self._control | (COUNTFLAG if self._flag else 0)
            self._flag = False
            return value
        if offset == RVR:
            return self._reload
        if offset == CVR:
            left = self._next_zero - self._counter.value
            return left if 0 < left <= self._reload else 0
        return 0xC0000000  # CALIB: no reference value, skew

    def write(self, offset: int, value: int) -> None:
        self.catch_up()
        if offset == CSR:
            self._control = value & (ENABLE | TICKINT | CLKSOURCE)
            self._counter.set_rate(self._rate())
            self._follow()
        elif offset == RVR:
            self._reload = value & 0xFFFFFF
        elif offset == CVR:
            # Any write clears the counter and COUNTFLAG; it reloads on the next clock (B3.3.5).
            self._flag = False
            self._restart()

    def read_is_pure(self, offset: int) -> bool:
        return offset != CVR and not (offset == CSR and self._flag)

    def set_hclk(self, hz: int) -> None:
        self.catch_up()
        self._hclk_hz = hz
        self._counter.set_rate(self._rate())

    def freeze(self, frozen: bool) -> None:
        """The debugger halted the core, or let it go."""
        self.catch_up()
        self._frozen = frozen
        self._follow()

    def next_zero_ps(self) -> int | None:
        return self._counter.when(self._next_zero) if self._next_zero else None

    def catch_up(self) -> None:
        """Take note of the zeros that have passed."""
        if not self._next_zero or self._counter.value < self._next_zero:
            return
        period = self._reload + 1
        over = self._counter.value - self._next_zero
        self._flag = True
        # After zero comes the reload value; a reload value of zero stops it there.
        self._next_zero = self._next_zero + (over // period + 1) * period if self._reload else 0
        self.pended = self.pended or bool(self._control & TICKINT)

    def interrupts(self) -> bool:
        return bool(self._control & TICKINT and self._control & ENABLE and self._next_zero)

    def _rate(self) -> int:
        # With CLKSOURCE clear the STM32F7 feeds HCLK/8 (RM0385 figure 12).
        return self._hclk_hz if self._control & CLKSOURCE else self._hclk_hz // 8

    def _restart(self) -> None:
        self._next_zero = self._counter.value + self._reload + 1 if self._reload else 0

    def _follow(self) -> None:
        if self._control & ENABLE and not self._frozen:
            if not self._next_zero:
                self._restart()
            self._counter.start()
        else:
            self._counter.stop()
