"""Which exceptions are enabled, pending and active, and which may be taken now (ARMv7-M ARM, B1.5).

No instruction set and no time in here: numbers and priorities only. The STM32F746 has four priority
bits and 98 interrupt lines.
"""

from __future__ import annotations

RESET, NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = 1, 2, 3, 4, 5, 6
SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK, IRQ0 = 11, 12, 14, 15, 16
LINES = 98
_PRIORITY_MASK = 0xF0
_THREAD = 256  # lower than any exception


class ExceptionState:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.pending: set[int] = set()
        self.enabled: set[int] = {NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK}
        self.active: list[int] = []
        self.priority: dict[int, int] = {}
        self.group_shift = 0  # AIRCR.PRIGROUP
        self.send_event_on_pend = False
        self.event = False

    def pend(self, number: int) -> None:
        """Make it pending; with SEVONPEND a newly pending one sets the event register (B1.5.18)."""
        if number not in self.pending:
            self.pending.add(number)
            if self.send_event_on_pend:
                self.event = True

    def priority_of(self, number: int) -> int:
        if number == NMI:
            return -2
        if number == HARD_FAULT:
            return -1
        return self.priority.get(number, 0) & _PRIORITY_MASK

    def _group(self, priority: int) -> int:
        return priority if priority < 0 else priority >> (self.group_shift + 1) << (self.group_shift + 1)

    def execution_priority(self, primask: int, faultmask: int, basepri: int) -> int:
        level = min((self._group(self.priority_of(n)) for n in self.active), default=_THREAD)
        if basepri & _PRIORITY_MASK:
            level = min(level, self._group(basepri & _PRIORITY_MASK))
        if primask & 1:
            level = min(level, 0)
        if faultmask & 1:
            level = min(level, -1)
        return level

    def next_to_take(self, level: int) -> int | None:
        """The pending, enabled exception that preempts `level`, if there is one."""
        best: int | None = None
        for number in sorted(self.pending):
            if number not in self.enabled:
                continue
            if best is None or self.priority_of(number) < self.priority_of(best):
                best = number
        if best is None or self._group(self.priority_of(best)) >= level:
            return None
        return best

    def any_enabled_pending(self) -> bool:
        return not self.pending.isdisjoint(self.enabled)
