"""The STM32F746's JTAG chain: TDI, boundary-scan TAP (IR 5), CPU TAP with a JTAG-DP (IR 4), TDO.

Implements IEEE 1149.1's TAP controller and the JTAG-DP's scan chains (Arm IHI 0031, chapter B3).
Lengths and IDCODEs: flash-engines.md section 2.3 (RM0385, debug chapter). Both TAPs shift as one
register, the CPU's bits lowest because they leave first; runs of bits are shifted at once.
"""

from __future__ import annotations

from enum import IntEnum

from boardflash.sim.serve.adiv5 import DP, STICKY, CtrlStat, DebugPort, Fault

BOUNDARY_IDCODE = 0x06449041
CPU_IDCODE = 0x5BA00477
BOUNDARY_IR_BITS = 5
CPU_IR_BITS = 4
ACK_OK = 0b010  # "OK/FAULT": a JTAG-DP tells the two apart in CTRL/STAT alone

# JTAG-DP of architecture version 0 has no DPIDR: address 0 is reserved and reads zero (IHI 0031 B2.2.5).
NO_DPIDR = 0


class State(IntEnum):
    RESET = 0
    IDLE = 1
    SELECT_DR = 2
    CAPTURE_DR = 3
    SHIFT_DR = 4
    EXIT1_DR = 5
    PAUSE_DR = 6
    EXIT2_DR = 7
    UPDATE_DR = 8
    SELECT_IR = 9
    CAPTURE_IR = 10
    SHIFT_IR = 11
    EXIT1_IR = 12
    PAUSE_IR = 13
    EXIT2_IR = 14
    UPDATE_IR = 15


_S = State
# IEEE 1149.1 figure 6-1: the next state for TMS = 0 and TMS = 1.
NEXT: tuple[tuple[State, State], ...] = (
    (_S.IDLE, _S.RESET),
    (_S.IDLE, _S.SELECT_DR),
    (_S.CAPTURE_DR, _S.SELECT_IR),
    (_S.SHIFT_DR, _S.EXIT1_DR),
    (_S.SHIFT_DR, _S.EXIT1_DR),
    (_S.PAUSE_DR, _S.UPDATE_DR),
    (_S.PAUSE_DR, _S.EXIT2_DR),
    (_S.SHIFT_DR, _S.UPDATE_DR),
    (_S.IDLE, _S.SELECT_DR),
    (_S.CAPTURE_IR, _S.RESET),
    (_S.SHIFT_IR, _S.EXIT1_IR),
    (_S.SHIFT_IR, _S.EXIT1_IR),
    (_S.PAUSE_IR, _S.UPDATE_IR),
    (_S.PAUSE_IR, _S.EXIT2_IR),
    (_S.SHIFT_IR, _S.UPDATE_IR),
    (_S.IDLE, _S.SELECT_DR),
)


class CpuInstruction(IntEnum):
    """JTAG-DP instructions (IHI 0031 table B3-4); all others are BYPASS."""

    ABORT = 0x8
    DPACC = 0xA
    APACC = 0xB
    IDCODE = 0xE
    BYPASS = 0xF


class BoundaryInstruction(IntEnum):
    """What of the boundary-scan TAP a debugger can meet: after reset IDCODE, else BYPASS."""

    IDCODE = 0x02  # **(unverified)** of ST's BSDL files; no debugger selects it by number
    BYPASS = 0x1F


CPU_DR_BITS = {
    CpuInstruction.ABORT: 35,
    CpuInstruction.DPACC: 35,
    CpuInstruction.APACC: 35,
    CpuInstruction.IDCODE: 32,
}


class JtagChain:
    """Both TAPs, clocked by rising edges of TCK.

    Time: every TCK since the last access; or, with `transfer_clocks`, that many for each access and nothing
    else, for comparisons with a probe on another wire.
    """

    def __init__(self, port: DebugPort, transfer_clocks: int | None = None) -> None:
        self.port = port
        self.transfer_clocks = transfer_clocks
        self.state = State.RESET
        self._cpu_ir: int = CpuInstruction.IDCODE
        self._boundary_ir: int = BoundaryInstruction.IDCODE
        self._register = 0
        self._length = 1
        self._posted = 0
        self._unspent = 0

    @property
    def tdo(self) -> int:
        """As it stands before the next rising edge; pulled up outside the shift states."""
        if self.state in (State.SHIFT_DR, State.SHIFT_IR):
            return self._register & 1
        return 1

    def clock(self, tms: int, tdi: int) -> None:
        state = self.state
        self._unspent += 1
        if state in (State.SHIFT_DR, State.SHIFT_IR):
            self._register = (self._register | (tdi << self._length)) >> 1
        state = self.state = NEXT[state][tms]
        if state in (State.IDLE, State.SHIFT_DR, State.SHIFT_IR):
            return
        if state == State.CAPTURE_DR:
            self._capture_dr()
        elif state == State.UPDATE_DR:
            self._update_dr()
        elif state == State.CAPTURE_IR:
            # Both TAPs present ...01, the lowest bits that IEEE 1149.1 section 7.1.1 prescribes.
            self._register = 1 << CPU_IR_BITS | 1
            self._length = CPU_IR_BITS + BOUNDARY_IR_BITS
        elif state == State.UPDATE_IR:
            self._cpu_ir = self._register & 0xF
            self._boundary_ir = self._register >> CPU_IR_BITS & 0x1F
        elif state == State.RESET:
            self._cpu_ir = CpuInstruction.IDCODE
            self._boundary_ir = BoundaryInstruction.IDCODE

    def steady(self) -> bool:
        """TMS = 0 stays in this state."""
        return NEXT[self.state][0] == self.state

    def shift(self, bits: int, count: int) -> int:
        """`count` clocks with TMS = 0 in a steady state; returns what TDO showed, first bit lowest."""
        self._unspent += count
        if self.state not in (State.SHIFT_DR, State.SHIFT_IR):
            return (1 << count) - 1
        stream = self._register | (bits << self._length)
        self._register = stream >> count
        return stream & ((1 << count) - 1)

    def _spend(self) -> None:
        self.port.spend(self._unspent if self.transfer_clocks is None else self.transfer_clocks)
        self._unspent = 0

    def _capture_dr(self) -> None:
        instruction = self._cpu_ir
        if instruction == CpuInstruction.IDCODE:
            cpu = CPU_IDCODE
        elif instruction in (CpuInstruction.DPACC, CpuInstruction.APACC):
            cpu = self._posted << 3 | ACK_OK
        else:
            cpu = 0
        cpu_bits = self._cpu_bits()
        boundary = self._boundary_ir == BoundaryInstruction.IDCODE
        self._register = cpu | (BOUNDARY_IDCODE if boundary else 0) << cpu_bits
        self._length = cpu_bits + (32 if boundary else 1)

    def _cpu_bits(self) -> int:
        try:
            return CPU_DR_BITS[CpuInstruction(self._cpu_ir)]
        except (KeyError, ValueError):
            return 1

    def _update_dr(self) -> None:
        instruction = self._cpu_ir
        scanned = self._register & 0x7FFFFFFFF
        address, value, reading = (scanned & 6) << 1, scanned >> 3, scanned & 1
        if instruction == CpuInstruction.APACC:
            self._spend()
            self._ap_access(address, value, reading)
        elif instruction == CpuInstruction.DPACC:
            self._spend()
            self._dp_access(address, value, reading)
        elif instruction == CpuInstruction.ABORT:
            self._spend()
            self.port.abort(value & 1)  # DAPABORT is all that a version 0 JTAG-DP has

    def _ap_access(self, address: int, value: int, reading: int) -> None:
        """A fault shows in CTRL/STAT alone; an access refused by a sticky error posts nothing."""
        try:
            if reading:
                self._posted = self.port.read_ap(address)
            else:
                self.port.write_ap(address, value)
        except Fault:
            self._posted = 0

    def _dp_access(self, address: int, value: int, reading: int) -> None:
        if not reading:
            if address == DP.CTRL_STAT:  # a JTAG-DP clears its sticky flags by writing ones to them
                self.port.clear_sticky(CtrlStat(value) & STICKY)
            self.port.write_dp(address, value)
        elif address == DP.RDBUFF:
            self.port.counts.dp_reads += 1
            self._posted = 0  # the scan itself carries the last AP result out; RDBUFF reads as zero
        else:
            self._posted = self.port.read_dp(address)
