"""The Cortex-M7 as a whole: running, asleep, halted or locked up; its exceptions; its debug state.

ARMv7-M Architecture Reference Manual: B1 (programmers' model), C1 (debug). Of the caches only what can be
lost by them is modelled (`cache.py`); floating-point registers are not stacked on exception entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unicorn import arm_const as arm

from boardflash.sim import entry
from boardflash.sim import exceptions as exc
from boardflash.sim.cache import DataCache
from boardflash.sim.clocks import CycleCounter
from boardflash.sim.engine import Engine
from boardflash.sim.exceptions import ExceptionState
from boardflash.sim.mpu import Mpu
from boardflash.sim.slices import Stop, StopInfo
from boardflash.sim.systick import SysTick
from boardflash.sim.target import InterruptSource, VirtualClock

# DHCSR, DEMCR and DFSR bits (C1.6)
C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS = 1, 2, 4, 8
S_REGRDY, S_HALT, S_SLEEP, S_LOCKUP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
S_RETIRE_ST, S_RESET_ST = 1 << 24, 1 << 25
VC_CORERESET, VC_HARDERR, TRCENA = 1, 1 << 10, 1 << 24
DFSR_HALTED, DFSR_BKPT, DFSR_VCATCH = 1, 2, 8
SLEEPONEXIT, SEVONPEND = 2, 16
CCR_DC, CCR_IC = 1 << 16, 1 << 17
_REGISTERS = {n: arm.UC_ARM_REG_R0 + n for n in range(13)} | {
    13: arm.UC_ARM_REG_SP,
    14: arm.UC_ARM_REG_LR,
    16: arm.UC_ARM_REG_XPSR,
    17: arm.UC_ARM_REG_MSP,
    18: arm.UC_ARM_REG_PSP,
    0x21: arm.UC_ARM_REG_FPSCR,
}
_MASKS = ("PRIMASK", "BASEPRI", "FAULTMASK", "CONTROL")
LOCKUP_PC = 0xFFFFFFFE


class Core:
    def __init__(
        self,
        clock: VirtualClock,
        engine: Engine,
        lines: Mapping[int, InterruptSource],
        boot_address: Callable[[], int],
        cache: DataCache,
    ) -> None:
        self.clock = clock
        self.engine = engine
        self.lines = lines
        self.exceptions = ExceptionState()
        self.mpu = Mpu()
        self.mpu.negative_priority = lambda: self.level() < 0
        self.cache = cache
        self.systick = SysTick(clock, engine.hz)
        self.cycles = CycleCounter(clock, engine.hz)  # DWT_CYCCNT
        self.cycles_enabled = False
        self.read_word: Callable[[int], int] = lambda address: 0
        self.write_word: Callable[[int, int], None] = lambda address, value: None
        self.on_halt: Callable[[bool], None] = lambda halted: None
        self.horizon: Callable[[], int | None] = lambda: None
        """When the board must look at something besides the core (the watchdog); None: never."""
        self.after_slice: Callable[[], None] = lambda: None
        self.reset_requested = False
        self._boot_address = boot_address
        self.pc = 0
        self.halted = False
        self.sleeping: Stop | None = None
        self.lockup: str | None = None
        self.last_fault = ""
        self.dhcsr = self.demcr = self.dfsr = 0
        self.sticky_reset = self.retired = False
        self._target_ps = 0
        self._primask = 0
        engine.limit = self._limit
        engine.on_event = self._event
        self._reset_scb()

    def _reset_scb(self) -> None:
        self.vtor = self._boot_address()
        self.scr = self.shcsr = self.cfsr = self.hfsr = self.mmfar = self.bfar = self.cpacr = 0
        self.ccr = 0x200  # STKALIGN

    # -- time ---------------------------------------------------------------------------------

    def run_until(self, target_ps: int) -> None:
        """Let the core live until then. It passes that moment by at most one block of code."""
        self._target_ps = target_ps
        while self.clock.now_ps < target_ps:
            if self.halted or self.lockup is not None:
                self.clock.advance_to(self._pause(target_ps))
            elif self.sleeping is not None:
                self._sleep(target_ps)
            else:
                self._slice()
            self.after_slice()

    def _pause(self, target_ps: int) -> int:
        horizon = self.horizon()
        return target_ps if horizon is None else min(target_ps, max(horizon, self.clock.now_ps + 1))

    def _limit(self) -> int:
        limit = self._target_ps
        for moment in self._wake_moments(all_lines=False):
            if moment is not None and moment < limit:
                limit = moment
        return limit

    def _wake_moments(self, all_lines: bool) -> list[int | None]:
        moments = [self.horizon()]
        if self.systick.interrupts():
            moments.append(self.systick.next_zero_ps())
        for line, peripheral in self.lines.items():
            if all_lines or exc.IRQ0 + line in self.exceptions.enabled:
                moments.append(peripheral.next_irq_ps())
        return moments

    def _slice(self) -> None:
        self.sample()
        self.take_pending()
        if self.halted or self.lockup is not None:
            return
        info = self.engine.run(self.pc)
        self.pc = info.pc
        self.retired = True
        self._handle(info)

    def _sleep(self, target_ps: int) -> None:
        """Asleep until something wakes it; nothing is executed meanwhile."""
        self.sample()
        if self._wakes():
            self._wake()
            return
        moments = [m for m in self._wake_moments(all_lines=True) if m is not None and m > self.clock.now_ps]
        self.clock.advance_to(min([target_ps, *moments]))

    def _wakes(self) -> bool:
        if self.sleeping is Stop.WFE and self.exceptions.event:
            return True
        # WFI wakes although PRIMASK holds the exception back (B1.5.19); WFE does not.
        primask = 0 if self.sleeping is Stop.WFI else self._mask("PRIMASK")
        return self.exceptions.next_to_take(self._level(primask)) is not None

    def _wake(self) -> None:
        if self.sleeping is Stop.WFE:
            self.exceptions.event = False
        self.sleeping = None
        if self.cycles_enabled:
            self.cycles.start()

    def fall_asleep(self, how: Stop) -> None:
        if how is Stop.WFE and self.exceptions.event:
            self.exceptions.event = False
            return
        self.sleeping = how
        self.cycles.stop()

    def _event(self) -> None:
        self.exceptions.event = True

    def set_hclk(self, hz: int) -> None:
        self.engine.set_clock(hz)
        self.systick.set_hclk(hz)
        self.cycles.set_rate(hz)

    # -- exceptions ---------------------------------------------------------------------------

    def sample(self) -> None:
        """Look at SysTick and the interrupt lines."""
        self.systick.catch_up()
        if self.systick.pended:
            self.systick.pended = False
            self.exceptions.pend(exc.SYSTICK)
        for line, peripheral in self.lines.items():
            number = exc.IRQ0 + line
            if number not in self.exceptions.active and peripheral.irq():
                self.exceptions.pend(number)

    def registers_written(self) -> None:
        """A register was written that may pend an exception or move the end of the slice."""
        self.sample()
        takes = not self._primask and self.exceptions.any_enabled_pending()
        if takes or self.reset_requested or self.halted:
            self.engine.end_slice()
        else:
            self.engine.reconsider()

    def _mask(self, name: str) -> int:
        return int(self.uc.reg_read(getattr(arm, f"UC_ARM_REG_{name}")))

    def _level(self, primask: int) -> int:
        return self.exceptions.execution_priority(primask, self._mask("FAULTMASK"), self._mask("BASEPRI"))

    def level(self) -> int:
        return self._level(self._mask("PRIMASK"))

    def take_pending(self) -> None:
        held_back = self.dhcsr & C_MASKINTS and self.dhcsr & C_DEBUGEN
        self._primask = 0
        if held_back or not self.exceptions.any_enabled_pending():
            return
        self._primask = self._mask("PRIMASK")  # a block that changes it ends the slice
        if self._primask:
            return
        number = self.exceptions.next_to_take(self.level())
        if number is not None:
            self.exceptions.pending.discard(number)
            entry.enter(self, number, self.pc)

    def _handle(self, info: StopInfo) -> None:
        if info.kind is Stop.BUDGET:
            return
        if info.kind in (Stop.WFE, Stop.WFI):
            self.fall_asleep(info.kind)
        elif info.kind in (Stop.BKPT, Stop.BREAKPOINT):
            if self.dhcsr & C_DEBUGEN:
                self.dfsr |= DFSR_BKPT
                self._enter_halt()
            else:
                entry.debug_event(self)
        elif info.kind is Stop.SVC:
            entry.supervisor_call(self)
        elif info.kind is Stop.EXCEPTION_RETURN:
            entry.leave(self, info.pc)
        else:
            entry.raise_fault(self, info)

    def lock_up(self, reason: str) -> None:
        """A fault that no handler can take: the core fetches from FFFFFFFEh for ever (B1.5.15)."""
        self.lockup = reason
        self.pc = LOCKUP_PC
        self.cycles.stop()

    # -- reset and debug ------------------------------------------------------------------------

    @property
    def uc(self) -> Any:
        return self.engine.uc

    def reset(self, halt: bool = False) -> None:
        """Core reset: the debug registers stay, all else starts anew at the boot address."""
        self.exceptions.reset()
        self.mpu.reset()
        self.cache.reset()
        self.systick.reset()
        self._reset_scb()
        self.resume()  # a reset lets go of a halted core, unless it is told to stop at its vector
        self.sleeping = self.lockup = None
        self.sticky_reset = True
        self.reset_requested = False
        for n in range(13):
            self.uc.reg_write(_REGISTERS[n], 0)
        for name in _MASKS:
            self.uc.reg_write(getattr(arm, f"UC_ARM_REG_{name}"), 0)
        vector, stack = self.read_word(self.vtor + 4), self.read_word(self.vtor)
        self.uc.reg_write(arm.UC_ARM_REG_XPSR, 0x01000000)
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack & ~3)
        self.uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        self.pc = vector & ~1
        if self.cycles_enabled:
            self.cycles.start()
        if halt:
            self.halt()
        elif self.demcr & VC_CORERESET and self.dhcsr & C_DEBUGEN:
            self.catch_vector()
        elif not self.halted and not vector & 1:
            entry.raise_fault(
                self, StopInfo(Stop.INVALID_STATE, self.pc, reason="reset vector without Thumb bit")
            )

    @property
    def sleep_on_exit(self) -> bool:
        return bool(self.scr & SLEEPONEXIT)

    def catch_vector(self) -> None:
        """A debugger asked to stop here (DEMCR)."""
        self.dfsr |= DFSR_VCATCH
        self._enter_halt()

    def _enter_halt(self) -> None:
        self.halted = True
        self.dhcsr |= C_HALT  # every way into the Debug state sets it (C1.6.2)
        self.sleeping = None
        self.lockup = None
        self.systick.freeze(True)
        self.cycles.stop()
        self.on_halt(True)

    def halt(self) -> None:
        self.dhcsr |= C_DEBUGEN
        if not self.halted:
            self.dfsr |= DFSR_HALTED
            self._enter_halt()

    def resume(self) -> None:
        self.dhcsr &= ~(C_HALT | C_STEP)
        if self.halted:
            self.halted = False
            self.systick.freeze(False)
            if self.cycles_enabled:
                self.cycles.start()
            self.on_halt(False)

    def step(self) -> None:
        """One instruction, or the entry into a pending exception."""
        if not self.halted:
            return
        self.sample()
        before = self.pc
        self.take_pending()
        if self.pc == before:
            if self.cycles_enabled:
                self.cycles.start()
            info = self.engine.step(self.pc)
            self.cycles.stop()
            self.pc = info.pc
            if info.kind not in (Stop.BKPT, Stop.BREAKPOINT):
                self._handle(info)
        self.retired = True
        self.dfsr |= DFSR_HALTED
        self.sleeping = self.lockup = None

    def read_register(self, number: int) -> int:
        if number == 15:
            return self.pc
        if number == 20:
            return sum((self._mask(name) & 0xFF) << 8 * n for n, name in enumerate(_MASKS))
        if 0x40 <= number < 0x60:
            return int(self.uc.reg_read(arm.UC_ARM_REG_S0 + number - 0x40))
        return int(self.uc.reg_read(_REGISTERS[number])) & 0xFFFFFFFF if number in _REGISTERS else 0

    def write_register(self, number: int, value: int) -> None:
        self.engine.disturb()
        if number == 15:
            self.pc = value & ~1
        elif number == 20:
            for n, name in enumerate(_MASKS):
                self.uc.reg_write(getattr(arm, f"UC_ARM_REG_{name}"), value >> 8 * n & 0xFF)
        elif 0x40 <= number < 0x60:
            self.uc.reg_write(arm.UC_ARM_REG_S0 + number - 0x40, value)
        elif number in _REGISTERS:
            self.uc.reg_write(_REGISTERS[number], value & ~3 if number in (13, 17, 18) else value)
