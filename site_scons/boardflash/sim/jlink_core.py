"""Core control of the simulated J-Link DLL: reset, halt, go, registers, hardware breakpoints.

ARMv7-M Architecture Reference Manual C1.11 (FPB); ARM Cortex-M7 TRM: FPB revision 2, whose
comparators match a whole address.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boardflash.sim.jlink import Probe

UNSPECIFIED = -1
ALL_BREAKPOINTS = 0xFFFF_FFFF
BREAKPOINT_HARDWARE = 0xFFFF_FF00
STEP_OVER_BREAKPOINT = 1
RESET_TYPES = range(4)  # 0 normal, 1 core, 2 reset pin, 3 connect under reset

FP_CTRL = 0xE000_2000
FP_COMP0 = 0xE000_2008
FP_KEY = 2
FP_ENABLE = 1

# (unverified) SEGGER's indices for Cortex-M begin as DCRSR's; pylink has no list of its own.
REGISTERS = {
    **{n: f"R{n}" for n in range(13)},
    13: "R13 (SP)",
    14: "R14",
    15: "R15 (PC)",
    16: "XPSR",
    17: "MSP",
    18: "PSP",
    20: "CFBP",
}


class CoreControl:
    """What the DLL does with the core."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._reset_type = 0
        self._reset_delay_ms = 0
        self._pending: dict[int, int] = {}  # registers written but not yet passed on
        self._breakpoints: dict[int, int] = {}  # handle -> comparator
        self._next_handle = 1
        self._names: dict[int, Any] = {}

    def attached(self) -> None:
        """A connection has been made; under reset the core is caught before its first instruction."""
        self._pending.clear()
        self._breakpoints.clear()
        if self._reset_type == 3:
            self._probe.link().target.reset(halt=True)

    def JLINKARM_SetResetType(self, kind: int) -> int:  # noqa: N802
        previous, self._reset_type = self._reset_type, kind if kind in RESET_TYPES else self._reset_type
        return previous

    def JLINKARM_SetResetDelay(self, ms: int) -> None:  # noqa: N802
        self._reset_delay_ms = ms

    def JLINKARM_Reset(self) -> int:  # noqa: N802
        code = self._probe.begin()
        if code < 0:
            return code
        self._pending.clear()
        wire = self._probe.link()
        with wire.round_trip(wire.costs.reset_us):
            wire.target.reset(halt=True)
            wire.target.advance(self._reset_delay_ms * 1_000_000_000)
        return 0

    def JLINKARM_Halt(self) -> int:  # noqa: N802
        code = self._probe.begin()
        if code < 0:
            return code
        wire = self._probe.link()
        with wire.round_trip(wire.costs.halted_us):
            wire.target.halt()
        return 0

    def JLINKARM_IsHalted(self) -> int:  # noqa: N802
        code = self._probe.begin()
        if code < 0:
            return code
        wire = self._probe.link()
        with wire.round_trip(wire.costs.halted_us):
            return int(wire.target.halted())

    def JLINKARM_Go(self) -> int:  # noqa: N802
        return self.JLINKARM_GoEx(0, 0)

    def JLINKARM_GoEx(self, instructions: int, flags: int) -> int:  # noqa: N802
        """Starts a halted core; on one that runs it does nothing, and says nothing."""
        code = self._probe.begin()
        if code < 0:
            return code
        wire = self._probe.link()
        target = wire.target
        with wire.round_trip(wire.costs.go_us):
            if target.halted():
                self._flush()
                if flags & STEP_OVER_BREAKPOINT and self._at_breakpoint():
                    target.step()
                for _ in range(instructions):
                    target.step()
                if not instructions:
                    target.resume()
        return 0

    def JLINKARM_ReadReg(self, index: int) -> int:  # noqa: N802
        """The value as a signed int; there is no error code, so the error goes to the handler."""
        if self._refuse(index) < 0:
            return 0
        value = self._pending.get(index)
        if value is None:
            value = self._read(index)
        return ctypes.c_int32(value).value

    def JLINKARM_WriteReg(self, index: int, value: int) -> int:  # noqa: N802
        """Kept by the DLL until the core starts."""
        if self._refuse(index) < 0:
            return 1
        self._pending[index] = value & 0xFFFF_FFFF
        return 0

    def JLINKARM_ReadRegs(self, indices: Any, values: Any, statuses: Any, count: int) -> int:  # noqa: N802
        for n in range(count):
            if self._refuse(indices[n]) < 0:
                return UNSPECIFIED
            values[n] = self.JLINKARM_ReadReg(indices[n]) & 0xFFFF_FFFF
            statuses[n] = 0
        return 0

    def JLINKARM_WriteRegs(self, indices: Any, values: Any, statuses: Any, count: int) -> int:  # noqa: N802
        for n in range(count):
            if self.JLINKARM_WriteReg(indices[n], values[n]):
                return UNSPECIFIED
            statuses[n] = 0
        return 0

    def JLINKARM_GetRegisterList(self, buffer: Any, size: int) -> int:  # noqa: N802
        for n, index in enumerate(list(REGISTERS)[:size]):
            buffer[n] = index
        return min(len(REGISTERS), size)

    def JLINKARM_GetRegisterName(self, index: int) -> Any:  # noqa: N802
        name = ctypes.create_string_buffer(REGISTERS.get(index, "").encode())
        self._names[index] = name
        return ctypes.cast(name, ctypes.c_char_p)

    def JLINKARM_GetNumBPUnits(self, _flags: int) -> int:  # noqa: N802
        return self._comparators() if self._probe.begin() == 0 else 0

    def JLINKARM_SetBPEx(self, address: int, flags: int) -> int:  # noqa: N802
        """The handle; 0 where no comparator is free or a software breakpoint is asked for."""
        if self._probe.begin() < 0 or not flags & BREAKPOINT_HARDWARE:
            return 0
        free = sorted(set(range(self._comparators())) - set(self._breakpoints.values()))
        if not free:
            return 0
        with self._probe.link().round_trip():
            self._poke(FP_CTRL, FP_KEY | FP_ENABLE)
            self._poke(FP_COMP0 + 4 * free[0], (address & 0xFFFF_FFFE) | FP_ENABLE)
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._breakpoints[handle] = free[0]
        return handle

    def JLINKARM_ClrBPEx(self, handle: int) -> int:  # noqa: N802
        handles = list(self._breakpoints) if handle & ALL_BREAKPOINTS == ALL_BREAKPOINTS else [handle]
        if self._probe.begin() < 0 or any(h not in self._breakpoints for h in handles):
            return 1
        with self._probe.link().round_trip():
            for h in handles:
                self._poke(FP_COMP0 + 4 * self._breakpoints.pop(h), 0)
        return 0

    def let_go(self) -> None:
        """The end of a session that has not asked for the core to be left as it is."""
        if self._probe.link().target.halted():
            self._flush()
            self._probe.link().target.resume()

    def _refuse(self, index: int) -> int:
        """0 if this register can be reached now; registers of a running core cannot."""
        code = self._probe.begin()
        if code < 0:
            return code
        if index not in REGISTERS:
            return self._probe.fail(UNSPECIFIED, f"Unknown register {index}.")
        if not self._probe.link().target.halted():
            return self._probe.fail(UNSPECIFIED, "CPU is not halted.")
        return 0

    def _read(self, index: int) -> int:
        # DCRSR is written, DHCSR.S_REGRDY polled once, DCRDR read (ARMv7-M ARM C1.6.3).
        with self._probe.link().round_trip():
            self._probe.link().transfers(3)
            return self._probe.link().target.read_register(index)

    def _flush(self) -> None:
        for index, value in self._pending.items():
            self._probe.link().transfers(3)
            self._probe.link().target.write_register(index, value)
        self._pending.clear()

    def _at_breakpoint(self) -> bool:
        pc = self._probe.link().target.read_register(15)
        return any(self._peek(FP_COMP0 + 4 * n) & ~1 == pc for n in self._breakpoints.values())

    def _comparators(self) -> int:
        control = self._peek(FP_CTRL)
        return (control >> 4 & 0xF) | (control >> 8 & 0x70)  # NUM_CODE, in two fields

    def _peek(self, address: int) -> int:
        return int.from_bytes(b"".join(self._probe.link().read(address, 4, 4)), "little")

    def _poke(self, address: int, value: int) -> None:
        for _ in self._probe.link().write(address, value.to_bytes(4, "little"), 4):
            pass
