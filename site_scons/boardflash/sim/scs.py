"""The System Control Space at 0xE000E000: NVIC, SCB, SysTick, MPU, core debug (ARMv7-M ARM, B3 and C1.6)."""

from __future__ import annotations

from boardflash.sim import core as m7
from boardflash.sim import exceptions as exc
from boardflash.sim.cache import CCSIDR, CCSIDR_CODE, CCSIDR_DATA, CSSELR, OPERATIONS
from boardflash.sim.core import Core
from boardflash.sim.registers import RegisterBlock

CPUID_VALUE = 0x411FC271  # Cortex-M7 r1p1 (an r0p1 would be taken for one with the single-step erratum)
ICTR, ISER, ICER, ISPR, ICPR, IABR, IPR, STIR = 0x004, 0x100, 0x180, 0x200, 0x280, 0x300, 0x400, 0xF00
CPUID, ICSR, VTOR, AIRCR, SCR, CCR, SHPR1, SHCSR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14, 0xD18, 0xD24
CFSR, HFSR, DFSR, MMFAR, BFAR, CPACR = 0xD28, 0xD2C, 0xD30, 0xD34, 0xD38, 0xD88
DHCSR, DCRSR, DCRDR, DEMCR = 0xDF0, 0xDF4, 0xDF8, 0xDFC
_CONSTANTS = {
    ICTR: 3,
    CPUID: CPUID_VALUE,
    0xD40: 0x30,
    0xD44: 0x200,
    0xD50: 0x00100030,
    0xD58: 0x01000000,
    0xD60: 0x01101110,
    0xD64: 0x02112000,
    0xD68: 0x20232231,
    0xD6C: 0x01111131,
    0xD70: 0x01310132,
    0xD78: 0x09000003,
    0xD7C: 0x8303C003,
    0xF40: 0x10110021,  # MVFR0, MVFR1: single precision
    0xF44: 0x11000011,
    0xF48: 0x00000040,
    # CoreSight identification of a Cortex-M7 SCS: part 00C, class 0xE
    0xFD0: 0x04,
    0xFE0: 0x0C,
    0xFE4: 0xB0,
    0xFE8: 0x0B,
    0xFEC: 0x00,
    0xFF0: 0x0D,
    0xFF4: 0xE0,
    0xFF8: 0x05,
    0xFFC: 0xB1,
}
_KEY, _DEBUG_KEY = 0x05FA, 0xA05F
_SYSRESETREQ, _VECTRESET = 4, 1
_SYSTICK = range(0x010, 0x020)
_MPU = range(0xD90, 0xDBC)


class SystemControl(RegisterBlock):
    def __init__(self, core: Core) -> None:
        super().__init__(core.clock)
        self._core = core
        self._dcrdr = 0
        self._csselr = 0

    def reset(self) -> None:
        return None

    def read_is_pure(self, offset: int) -> bool:
        if offset in _SYSTICK:
            return self._core.systick.read_is_pure(offset)
        return offset != DHCSR

    def write(self, offset: int, value: int, width: int) -> None:
        if width != 4 and (IPR <= offset < IPR + 240 or SHPR1 <= offset < SHPR1 + 12):
            for n in range(width):
                self._set_priority(offset + n, value >> 8 * n & 0xFF)
            return
        super().write(offset, value, width)

    def get(self, offset: int) -> int:
        core = self._core
        if offset in _CONSTANTS:
            return _CONSTANTS[offset]
        if offset in _SYSTICK:
            return core.systick.read(offset)
        if offset in _MPU:
            return core.mpu.read(offset - 0xD00)
        if ISER <= offset < IPR:
            return self._read_bits(offset)
        if IPR <= offset < IPR + 240 or SHPR1 <= offset < SHPR1 + 12:
            return sum(self._priority(offset + n) << 8 * n for n in range(4))
        values = {
            VTOR: core.vtor,
            AIRCR: 0xFA050000 | core.exceptions.group_shift << 8,
            SCR: core.scr,
            CCR: core.ccr,
            SHCSR: core.shcsr,
            CFSR: core.cfsr,
            HFSR: core.hfsr,
            DFSR: core.dfsr,
            MMFAR: core.mmfar,
            BFAR: core.bfar,
            CPACR: core.cpacr,
            DCRDR: self._dcrdr,
            DEMCR: core.demcr,
            CSSELR: self._csselr,
            CCSIDR: CCSIDR_CODE if self._csselr & 1 else CCSIDR_DATA,
        }
        if offset == ICSR:
            return self._read_icsr()
        if offset == DHCSR:
            return self._read_dhcsr()
        return values.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        core = self._core
        if offset in _SYSTICK:
            core.systick.write(offset, value)
        elif offset in _MPU:
            core.mpu.write(offset - 0xD00, value)
        elif ISER <= offset < IABR:
            self._write_bits(offset, value)
        elif IPR <= offset < IPR + 240 or SHPR1 <= offset < SHPR1 + 12:
            for n in range(4):
                self._set_priority(offset + n, value >> 8 * n & 0xFF)
        elif offset == ICSR:
            self._write_icsr(value)
        elif offset == AIRCR:
            self._write_aircr(value)
        elif offset == SCR:
            core.scr = value & 0x16
            core.exceptions.send_event_on_pend = bool(value & m7.SEVONPEND)
        elif offset == STIR:
            core.exceptions.pend(exc.IRQ0 + (value & 0x1FF))
        elif offset == DHCSR:
            self._write_dhcsr(value)
        elif offset == DCRSR:
            self._transfer(value)
        elif offset == DCRDR:
            self._dcrdr = value
        else:
            self._write_plain(offset, value)

    def _write_plain(self, offset: int, value: int) -> None:
        core = self._core
        if offset == VTOR:
            core.vtor = value & ~0x7F
        elif offset == CCR:
            core.ccr = value & 0x3031B | 0x200
            core.cache.switch(bool(value & m7.CCR_DC))
        elif offset == CSSELR:
            self._csselr = value & 1
        elif offset in OPERATIONS:
            core.cache.maintain(offset, value)
        elif offset == SHCSR:
            core.shcsr = value & 0x70000
            self._enable_faults()
        elif offset == CFSR:
            core.cfsr &= ~value
        elif offset == HFSR:
            core.hfsr &= ~value
        elif offset == DFSR:
            core.dfsr &= ~value
        elif offset == MMFAR:
            core.mmfar = value
        elif offset == BFAR:
            core.bfar = value
        elif offset == CPACR:
            core.cpacr = value & 0xF00000
        elif offset == DEMCR:
            core.demcr = value & 0x010F07F1

    def _enable_faults(self) -> None:
        for number, bit in ((exc.MEM_MANAGE, 16), (exc.BUS_FAULT, 17), (exc.USAGE_FAULT, 18)):
            if self._core.shcsr >> bit & 1:
                self._core.exceptions.enabled.add(number)
            else:
                self._core.exceptions.enabled.discard(number)

    def _read_bits(self, offset: int) -> int:
        state = self._core.exceptions
        if offset < ISPR:
            chosen: set[int] = state.enabled
        elif offset < IABR:
            self._core.sample()
            chosen = state.pending
        else:
            chosen = set(state.active)
        first = exc.IRQ0 + (offset & 0x7F) * 8
        return sum(1 << number - first for number in chosen if first <= number < first + 32)

    def _write_bits(self, offset: int, value: int) -> None:
        state = self._core.exceptions
        first = exc.IRQ0 + (offset & 0x7F) * 8
        while value:
            number = first + (value & -value).bit_length() - 1
            value &= value - 1
            if number >= exc.IRQ0 + exc.LINES:
                return
            if offset < ICER:
                state.enabled.add(number)
            elif offset < ISPR:
                state.enabled.discard(number)
            elif offset < ICPR:
                state.pend(number)
            else:
                state.pending.discard(number)

    def _number_of_priority(self, offset: int) -> int:
        return exc.IRQ0 + offset - IPR if offset >= IPR and offset < SHPR1 else offset - SHPR1 + 4

    def _priority(self, offset: int) -> int:
        return self._core.exceptions.priority.get(self._number_of_priority(offset), 0)

    def _set_priority(self, offset: int, value: int) -> None:
        self._core.exceptions.priority[self._number_of_priority(offset)] = value & 0xF0

    def _read_icsr(self) -> int:
        core = self._core
        core.sample()
        state = core.exceptions
        value = state.active[-1] if state.active else 0
        takeable = state.pending & state.enabled
        if takeable:
            value |= min(takeable, key=lambda n: (state.priority_of(n), n)) << 12
        if len(state.active) < 2:
            value |= 1 << 11  # RETTOBASE
        if any(number >= exc.IRQ0 for number in state.pending):
            value |= 1 << 22
        for number, bit in ((exc.SYSTICK, 26), (exc.PENDSV, 28), (exc.NMI, 31)):
            value |= (number in state.pending) << bit
        return value

    def _write_icsr(self, value: int) -> None:
        state = self._core.exceptions
        self._core.sample()
        for number, pend, clear in ((exc.SYSTICK, 26, 25), (exc.PENDSV, 28, 27), (exc.NMI, 31, None)):
            if value >> pend & 1:
                state.pend(number)
            elif clear is not None and value >> clear & 1:
                state.pending.discard(number)

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != _KEY:
            return
        self._core.exceptions.group_shift = value >> 8 & 7
        if value & (_SYSRESETREQ | _VECTRESET):
            self._core.reset_requested = True

    def _read_dhcsr(self) -> int:
        core = self._core
        value = core.dhcsr | m7.S_REGRDY
        if core.halted:
            value |= m7.S_HALT
        if core.sleeping is not None:
            value |= m7.S_SLEEP
        if core.lockup is not None:
            value |= m7.S_LOCKUP
        if core.retired:
            value |= m7.S_RETIRE_ST
        if core.sticky_reset:
            value |= m7.S_RESET_ST
        core.retired = core.sticky_reset = False
        return value

    def _write_dhcsr(self, value: int) -> None:
        core = self._core
        if value >> 16 != _DEBUG_KEY:
            return
        wanted = value & 0xF
        if not wanted & m7.C_DEBUGEN:
            core.resume()
            core.dhcsr = 0
            return
        core.dhcsr = core.dhcsr & m7.C_HALT | wanted & ~m7.C_HALT
        if wanted & m7.C_HALT:
            core.halt()
        elif core.halted and wanted & m7.C_STEP:
            core.step()
            core.dhcsr |= m7.C_HALT
        else:
            core.resume()

    def _transfer(self, value: int) -> None:
        number = value & 0x7F
        if not self._core.halted:
            return
        if value >> 16 & 1:
            self._core.write_register(number, self._dcrdr)
        else:
            self._dcrdr = self._core.read_register(number)
