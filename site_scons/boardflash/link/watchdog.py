"""The watchdogs stand still while the debugger has the core halted.

A watchdog that the option bytes start runs from reset on, at 17 to 47 kHz, halted core or not; its reset
would release the core into the application while the target loader is being written. The DLL of V6.30h
leaves these bits alone on an STM32F746 (log: vkeiper, TouchGfxStm32F746Disco1). They have no effect while
the core runs. RM0385 40.16.4 and the DBGMCU sections of the other reference manuals; cmsis_device_*
DBGMCU_APB1_FZ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

IWDG_STOP, WWDG_STOP = 1 << 12, 1 << 11


@dataclass(frozen=True)
class FreezeRegister:
    address: int
    bits: int


_APB1 = (FreezeRegister(0xE004_2008, IWDG_STOP | WWDG_STOP),)

#: By the start of the device's name in J-Link's list; the first that fits. H7R and H7S have other offsets.
FREEZE: dict[str, tuple[FreezeRegister, ...]] = {
    "STM32F4": _APB1,
    "STM32F7": _APB1,
    "STM32G4": _APB1,
    "STM32L4": _APB1,
    "STM32WB5": (FreezeRegister(0xE004_203C, IWDG_STOP | WWDG_STOP),),
    "STM32H7R": (),
    "STM32H7S": (),
    # APB3FZ1: WWDG1; APB1LFZ1: WWDG2; APB4FZ1: IWDG1, IWDG2.
    "STM32H7": (
        FreezeRegister(0x5C00_1034, 1 << 6),
        FreezeRegister(0x5C00_103C, 1 << 11),
        FreezeRegister(0x5C00_1054, 3 << 18),
    ),
}


class Words(Protocol):
    def read_u32(self, address: int) -> int: ...

    def write_u32(self, address: int, value: int) -> None: ...


class WatchdogFreeze:
    """Sets the bits, and gives back those that it has set."""

    def __init__(self, link: Words, device: str) -> None:
        self._link = link
        fitting = (registers for start, registers in FREEZE.items() if device.startswith(start))
        self._registers = next(fitting, ())
        self._ours: dict[int, int] = {}  # by address; another debugger may have set the rest

    def freeze(self) -> None:
        """A reset of the system leaves these bits as they are, one by power does not: ask each time."""
        for register in self._registers:
            value = self._link.read_u32(register.address)
            missing = register.bits & ~value
            if missing:
                self._link.write_u32(register.address, value | missing)
                self._ours[register.address] = self._ours.get(register.address, 0) | missing

    def give_back(self) -> None:
        """As it was, before the application runs without a debugger."""
        for address, bits in self._ours.items():
            self._link.write_u32(address, self._link.read_u32(address) & ~bits)
        self._ours.clear()
