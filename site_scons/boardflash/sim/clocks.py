"""Counters that follow a clock whose rate may change: cycles out of virtual time."""

from __future__ import annotations

from boardflash.sim.target import VirtualClock

PS = 1_000_000_000_000


def cycles_to_ps(cycles: int, hz: int) -> int:
    """The time of `cycles`, rounded up: a wait for that moment never ends early."""
    return -(-cycles * PS // hz)


class CycleCounter:
    """An up-counter of `hz` that can be stopped; its value is computed, never ticked."""

    def __init__(self, clock: VirtualClock, hz: int) -> None:
        self._clock = clock
        self._hz = hz
        self._value = 0
        self._since_ps: int | None = None

    @property
    def value(self) -> int:
        if self._since_ps is None:
            return self._value
        return self._value + (self._clock.now_ps - self._since_ps) * self._hz // PS

    @value.setter
    def value(self, value: int) -> None:
        self._value = value
        if self._since_ps is not None:
            self._since_ps = self._clock.now_ps

    @property
    def running(self) -> bool:
        return self._since_ps is not None

    @property
    def hz(self) -> int:
        return self._hz

    def start(self) -> None:
        if self._since_ps is None:
            self._since_ps = self._clock.now_ps

    def stop(self) -> None:
        if self._since_ps is not None:
            self._value = self.value
            self._since_ps = None

    def set_rate(self, hz: int) -> None:
        self.value = self.value
        self._hz = hz

    def when(self, value: int) -> int | None:
        """The moment at which the counter shows `value`; None if it is stopped or past it."""
        if self._since_ps is None or value <= self._value:
            return None
        return self._since_ps + cycles_to_ps(value - self._value, self._hz)
