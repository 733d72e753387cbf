"""The independent watchdog (RM0385 chapter 30): once started, only a reset stops it.

It counts the LSI down: 32 kHz, on a given part anything from 17 to 47 (DS10916, table of the LSI oscillator).
With the option bit IWDG_SW = 0 it runs from reset on. It counts while the core is halted, too, unless
DBGMCU_APB1_FZ bit 12 freezes it, which has no effect while the core runs (RM0385 40.16.4).
"""

from __future__ import annotations

from boardflash.sim.clocks import CycleCounter, cycles_to_ps
from boardflash.sim.registers import RegisterBlock
from boardflash.sim.target import VirtualClock

KR, PR, RLR, SR, WINR = range(0, 20, 4)
REFRESH, UNLOCK, START = 0xAAAA, 0x5555, 0xCCCC
LSI_HZ = 32_000
LSI_RANGE_HZ = (17_000, 47_000)


class Iwdg(RegisterBlock):
    def __init__(self, clock: VirtualClock, lsi_hz: int = LSI_HZ) -> None:
        super().__init__(clock)
        self._counter = CycleCounter(clock, lsi_hz)
        self.reset()

    def reset(self) -> None:
        self._counter.stop()
        self._counter.value = 0
        self._prescaler, self._reload, self._window = 0, 0xFFF, 0xFFF
        self._unlocked = False
        self.started = self._frozen = self._early = False

    def start(self) -> None:
        self.started = True
        self._counter.value = 0
        self._run()

    def freeze(self, frozen: bool) -> None:
        self._frozen = frozen
        self._run()

    def expired(self) -> bool:
        return self.started and (self._early or self._counter.value >= self._span)

    def next_change_ps(self) -> int | None:
        return self._counter.when(self._span) if self.started else None

    def is_refresh(self, offset: int, value: int) -> bool:
        """A write that only starts the count again: a loop with it waits like one without."""
        return offset == KR and value & 0xFFFF == REFRESH and self._window == 0xFFF

    @property
    def _divider(self) -> int:
        return 4 << min(self._prescaler, 6)

    @property
    def _span(self) -> int:
        return (self._reload + 1) * self._divider

    def _run(self) -> None:
        if self.started and not self._frozen:
            self._counter.start()
        else:
            self._counter.stop()

    def get(self, offset: int) -> int:
        return {PR: self._prescaler, RLR: self._reload, WINR: self._window}.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        if offset == KR:
            self._unlocked = value & 0xFFFF == UNLOCK
            if value & 0xFFFF == START and not self.started:
                self.start()
            elif value & 0xFFFF == REFRESH:
                self._refresh()
        elif self._unlocked:
            if offset == PR:
                self._prescaler = value & 7
            elif offset == RLR:
                self._reload = value & 0xFFF
            elif offset == WINR:
                self._window = value & 0xFFF
                self._refresh(check=False)

    def _refresh(self, check: bool = True) -> None:
        left = self._reload - self._counter.value // self._divider
        self._early = self._early or (check and self.started and left > self._window)
        self._counter.value = 0


def timeout_ps(prescaler: int, reload: int) -> int:
    """How long the watchdog waits, for those who plan around it."""
    return cycles_to_ps((reload + 1) * (4 << min(prescaler, 6)), LSI_HZ)
