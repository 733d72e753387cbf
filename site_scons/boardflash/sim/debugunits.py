"""DWT, FPB and the ROM table: what a debug client looks for (ARMv7-M ARM, C1.7 to C1.11)."""

from __future__ import annotations

from boardflash.sim.core import TRCENA, Core
from boardflash.sim.registers import RegisterBlock

LAR_KEY = 0xC5ACCE55
_LAR, _LSR = 0xFB0, 0xFB4


def component_id(part: int, component_class: int) -> dict[int, int]:
    """PIDR and CIDR of an ARM design (designer 23Bh): what identifies it in a ROM table."""
    return {
        0xFD0: 0x04,
        0xFE0: part & 0xFF,
        0xFE4: 0xB0 | part >> 8,
        0xFE8: 0x0B,
        0xFEC: 0x00,
        0xFF0: 0x0D,
        0xFF4: component_class << 4,
        0xFF8: 0x05,
        0xFFC: 0xB1,
    }


class Dwt(RegisterBlock):
    """The cycle counter alone; no comparators. On a Cortex-M7 software must write the lock register first."""

    CTRL, CYCCNT = 0x00, 0x04
    _IDS = component_id(0x002, 0xE)

    def __init__(self, core: Core) -> None:
        super().__init__(core.clock)
        self._core = core
        self._unlocked = False
        self.debugger = False
        """The access comes from a debugger: the lock is for software only."""

    def reset(self) -> None:
        return None

    def read_is_pure(self, offset: int) -> bool:
        return offset != self.CYCCNT

    def get(self, offset: int) -> int:
        if offset == self.CTRL:
            return 0x0F000000 & ~(1 << 25) | int(self._core.cycles_enabled) if self._traced() else 0
        if offset == self.CYCCNT:
            return self._core.cycles.value & 0xFFFFFFFF if self._traced() else 0
        if offset == _LSR:
            return 1 | (not self._unlocked) << 1
        return self._IDS.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        if offset == _LAR:
            self._unlocked = value == LAR_KEY
        elif not self._traced() or not (self._unlocked or self.debugger):
            return
        elif offset == self.CTRL:
            self._core.cycles_enabled = bool(value & 1)
            if value & 1 and not self._core.halted:
                self._core.cycles.start()
            else:
                self._core.cycles.stop()
        elif offset == self.CYCCNT:
            self._core.cycles.value = value

    def _traced(self) -> bool:
        return bool(self._core.demcr & TRCENA)


class Fpb(RegisterBlock):
    """Flash patch and breakpoint unit, version 2 as on the Cortex-M7: eight comparators, any code address."""

    CTRL, COMPARATORS, COUNT = 0x00, 0x08, 8
    _IDS = component_id(0x00E, 0xE)

    def __init__(self, core: Core) -> None:
        super().__init__(core.clock)
        self._core = core
        self.reset()

    def reset(self) -> None:
        self._enabled = False
        self._comparators = [0] * self.COUNT
        self._core.engine.set_breakpoints(set())

    def get(self, offset: int) -> int:
        if offset == self.CTRL:
            return 1 << 28 | self.COUNT << 4 | int(self._enabled)
        index = (offset - self.COMPARATORS) // 4
        if 0 <= index < self.COUNT:
            return self._comparators[index]
        return self._IDS.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        index = (offset - self.COMPARATORS) // 4
        if offset == self.CTRL:
            if value & 2:  # KEY
                self._enabled = bool(value & 1)
        elif 0 <= index < self.COUNT:
            self._comparators[index] = value
        active = {value & ~1 for value in self._comparators if value & 1} if self._enabled else set()
        self._core.engine.set_breakpoints(active)


class RomTable(RegisterBlock):
    """At 0xE00FF000, where the AHB-AP's BASE points: SCS, DWT and FPB."""

    _WORDS = {0x0: 0xFFF0F003, 0x4: 0xFFF02003, 0x8: 0xFFF03003, 0xC: 0, 0xFCC: 1} | component_id(0x4C7, 0x1)

    def reset(self) -> None:
        return None

    def get(self, offset: int) -> int:
        return self._WORDS.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        return None
