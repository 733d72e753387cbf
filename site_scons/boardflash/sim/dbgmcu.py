"""The MCU's debug block: device ID, and what stands still while the core is halted (RM0385 chapter 40)."""

from __future__ import annotations

from boardflash.sim.registers import RegisterBlock
from boardflash.sim.target import VirtualClock

IDCODE, CR, APB1_FZ, APB2_FZ = 0x0, 0x4, 0x8, 0xC
DEV_ID = 0x449  # F74x and F75x (reference facts/stm32f7.md section 5)
_IWDG_STOP = 1 << 12


class Dbgmcu(RegisterBlock):
    """Only a power-on reset clears it; a system reset leaves it as the debugger set it."""

    def __init__(self, clock: VirtualClock, revision: int) -> None:
        super().__init__(clock)
        self._idcode = revision << 16 | DEV_ID
        self._regs = {CR: 0, APB1_FZ: 0, APB2_FZ: 0}

    def reset(self) -> None:
        self._regs = {CR: 0, APB1_FZ: 0, APB2_FZ: 0}

    @property
    def stops_watchdog(self) -> bool:
        return bool(self._regs[APB1_FZ] & _IWDG_STOP)

    @property
    def clock_in_sleep(self) -> bool:
        return bool(self._regs[CR] & 1)

    def get(self, offset: int) -> int:
        return self._idcode if offset == IDCODE else self._regs.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        if offset in self._regs:
            self._regs[offset] = value
