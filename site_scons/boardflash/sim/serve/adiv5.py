"""An Arm debug port with one AHB-AP over a plain `Target`: what OpenOCD and pyOCD find behind the pins.

Implements, of the Arm Debug Interface v5.2 (IHI 0031): the DP registers (B2.2), the sticky errors of
both wire protocols, and a MEM-AP (chapter C2) with 8, 16 and 32 bit transfers, byte lanes, single and
packed increment and banked data. ID values as on the STM32F746 (facts/stm32f7.md section 1,
flash-engines.md section 2.3). The board's clock advances with the wire: every transfer costs clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from boardflash.sim.target import BusFault, Target

SWD_DPIDR = 0x5BA02477
AHB_AP_IDR = 0x74770001
ROM_TABLE_BASE = 0xE00FF003  # entry present, ADIv5 format
TRANSFER_CLOCKS = 46  # a 32-bit SWD transfer: 8 request, 1+3+1 acknowledge, 33 data
PS_PER_SECOND = 1_000_000_000_000

# IHI 0031 C2.2.2: only the low ten bits of TAR are sure to increment, and on Cortex-M7 only they do.
TAR_INCREMENT_MASK = 0x3FF

DEMCR = 0xE000EDFC
DEMCR_VC_CORERESET = 1


class Fault(Exception):  # noqa: N818 (the ADI word for it)
    """The access port refused: a sticky error is set, now or from before."""


class DP(IntEnum):
    """DP register addresses (IHI 0031 B2.2)."""

    ABORT_DPIDR = 0x0  # ABORT when written, DPIDR when read
    CTRL_STAT = 0x4
    SELECT_RESEND = 0x8
    RDBUFF = 0xC


class AP(IntEnum):
    """MEM-AP register addresses, bank in the upper nibble (IHI 0031 C2.6)."""

    CSW = 0x00
    TAR = 0x04
    DRW = 0x0C
    BD0 = 0x10
    CFG = 0xF4
    BASE = 0xF8
    IDR = 0xFC


class CtrlStat(IntFlag):
    ORUNDETECT = 1 << 0
    STICKYORUN = 1 << 1
    STICKYCMP = 1 << 4
    STICKYERR = 1 << 5
    WDATAERR = 1 << 7
    CDBGRSTREQ = 1 << 26
    CDBGPWRUPREQ = 1 << 28
    CDBGPWRUPACK = 1 << 29
    CSYSPWRUPREQ = 1 << 30
    CSYSPWRUPACK = 1 << 31


STICKY = CtrlStat.STICKYORUN | CtrlStat.STICKYCMP | CtrlStat.STICKYERR | CtrlStat.WDATAERR
STORED = CtrlStat.ORUNDETECT | CtrlStat.CDBGRSTREQ | CtrlStat.CDBGPWRUPREQ | CtrlStat.CSYSPWRUPREQ

CSW_SIZE = 0x7
CSW_INCREMENT = 0x30
CSW_SINGLE = 0x10
CSW_PACKED = 0x20
CSW_DEVICE_ENABLE = 0x40
CSW_STORED = 0x7F000000 | CSW_INCREMENT | CSW_SIZE

FIXED: dict[int, int] = {AP.CFG: 0, AP.BASE: ROM_TABLE_BASE, AP.IDR: AHB_AP_IDR}


@dataclass
class Counts:
    """What went over the wire, so that a benchmark can charge it."""

    dp_reads: int = 0
    dp_writes: int = 0
    ap_reads: int = 0
    ap_writes: int = 0
    faults: int = 0
    clocks: int = 0

    @property
    def transfers(self) -> int:
        return self.dp_reads + self.dp_writes + self.ap_reads + self.ap_writes


class MemAp:
    """The AHB-AP: registers in, bus accesses out."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.csw = CSW_DEVICE_ENABLE | 2
        self.tar = 0

    def read(self, register: int) -> int:
        if register == AP.DRW:
            return self._drw_read()
        if AP.BD0 <= register <= AP.BD0 + 0xC:
            return self._bus_read((self.tar & ~0xF) | (register & 0xC), 4)
        if register == AP.CSW:
            return self.csw
        if register == AP.TAR:
            return self.tar
        return FIXED.get(register, 0)

    def write(self, register: int, value: int) -> None:
        if register == AP.DRW:
            self._drw_write(value)
        elif AP.BD0 <= register <= AP.BD0 + 0xC:
            self._bus_write((self.tar & ~0xF) | (register & 0xC), value, 4)
        elif register == AP.CSW:
            size = min(value & CSW_SIZE, 2)  # sizes that the AP lacks read back as a word
            self.csw = (value & CSW_STORED & ~CSW_SIZE) | size | CSW_DEVICE_ENABLE
        elif register == AP.TAR:
            self.tar = value

    def _width(self) -> int:
        return 1 << (self.csw & CSW_SIZE)

    def _increment(self, width: int) -> None:
        if self.csw & CSW_INCREMENT:
            low = (self.tar + width) & TAR_INCREMENT_MASK
            self.tar = (self.tar & ~TAR_INCREMENT_MASK) | low

    def _packed(self) -> bool:
        return self.csw & CSW_INCREMENT == CSW_PACKED and self._width() < 4

    def _drw_read(self) -> int:
        width = self._width()
        value = 0
        for _ in range(4 // width if self._packed() else 1):
            value |= self._bus_read(self.tar, width)
            self._increment(width)
        return value

    def _drw_write(self, value: int) -> None:
        width = self._width()
        for _ in range(4 // width if self._packed() else 1):
            self._bus_write(self.tar, value, width)
            self._increment(width)

    def _bus_read(self, address: int, width: int) -> int:
        """A value in its byte lanes: a byte at address 2 stands in bits 23:16."""
        if address % width:
            raise BusFault(address, f"unaligned {width}-byte transfer")
        raw = self.target.read_memory(address, width, width)
        return int.from_bytes(raw, "little") << (8 * (address & 3))

    def _bus_write(self, address: int, value: int, width: int) -> None:
        if address % width:
            raise BusFault(address, f"unaligned {width}-byte transfer")
        lane = (value >> (8 * (address & 3))) & ((1 << (8 * width)) - 1)
        self.target.write_memory(address, lane.to_bytes(width, "little"), width)


class DebugPort:
    """DP registers, AP selection and time. Results are immediate: posting is the wire's business.

    A wire protocol calls `spend` for its clocks, then one of the four accesses. Time is handed to the
    board at the next bus access, which is the first moment when anybody could see it.
    """

    def __init__(self, target: Target, *, dpidr: int, clock_hz: int) -> None:
        self.target = target
        self.dpidr = dpidr
        self.clock_hz = clock_hz
        self.counts = Counts()
        self.ctrl_stat = CtrlStat(0)
        self.select = 0
        self.ap = MemAp(target)
        self._owed_ps = 0

    def spend(self, clocks: int) -> None:
        self.counts.clocks += clocks
        self._owed_ps += clocks * PS_PER_SECOND // self.clock_hz

    def wait(self, seconds: float) -> None:
        """The host does something else meanwhile."""
        self._owed_ps += int(seconds * PS_PER_SECOND)

    def settle(self) -> None:
        """Let the board live through the time that has been spent."""
        if self._owed_ps:
            owed, self._owed_ps = self._owed_ps, 0
            self.target.advance(owed)

    def sticky(self) -> bool:
        return bool(self.ctrl_stat & STICKY)

    def clear_sticky(self, flags: CtrlStat) -> None:
        self.ctrl_stat &= ~(flags & STICKY)

    def read_dp(self, address: int) -> int:
        self.counts.dp_reads += 1
        if address == DP.CTRL_STAT and self.select & 0xF == 0:
            # Power domains answer at once: each acknowledge is its request, one bit up.
            requests = self.ctrl_stat & (CtrlStat.CDBGPWRUPREQ | CtrlStat.CSYSPWRUPREQ)
            return int(self.ctrl_stat) | (int(requests) << 1)
        if address == DP.ABORT_DPIDR:
            return self.dpidr
        return 0

    def write_dp(self, address: int, value: int) -> None:
        self.counts.dp_writes += 1
        if address == DP.CTRL_STAT and self.select & 0xF == 0:
            self.ctrl_stat = (self.ctrl_stat & STICKY) | (CtrlStat(value) & STORED)
        elif address == DP.SELECT_RESEND:
            self.select = value

    def abort(self, value: int) -> None:
        """ABORT (IHI 0031 B2.2.1): bits 4:1 clear ORUNERR, WDERR, STKERR and STKCMP."""
        self.counts.dp_writes += 1
        clears = {4: CtrlStat.STICKYORUN, 3: CtrlStat.WDATAERR, 2: CtrlStat.STICKYERR, 1: CtrlStat.STICKYCMP}
        for bit, flag in clears.items():
            if value >> bit & 1:
                self.clear_sticky(flag)

    def read_ap(self, address: int) -> int:
        """Raises Fault when a sticky error stands or this access sets it."""
        self.counts.ap_reads += 1
        self._enter()
        if self.select >> 24:
            return 0  # no such AP: its registers read as zero, IDR among them
        try:
            return self.ap.read((self.select & 0xF0) | (address & 0xC))
        except BusFault as fault:
            raise self._fail(str(fault)) from fault

    def write_ap(self, address: int, value: int) -> None:
        self.counts.ap_writes += 1
        self._enter()
        if self.select >> 24:
            return
        try:
            self.ap.write((self.select & 0xF0) | (address & 0xC), value)
        except BusFault as fault:
            raise self._fail(str(fault)) from fault

    def reset_pin(self, asserted: bool) -> None:
        """nRST. The debug port lives on. A core in reset runs nothing: here it is halted meanwhile."""
        self.settle()
        self.target.reset(halt=asserted)
        if asserted:
            return
        demcr = int.from_bytes(self.target.read_memory(DEMCR, 4, 4), "little")
        if not demcr & DEMCR_VC_CORERESET:
            self.target.resume()

    def _enter(self) -> None:
        if self.sticky():
            raise Fault("sticky error is set")
        if not self.ctrl_stat & CtrlStat.CDBGPWRUPREQ:
            raise self._fail("the debug domain is not powered")
        self.settle()

    def _fail(self, why: str) -> Fault:
        self.counts.faults += 1
        self.ctrl_stat |= CtrlStat.STICKYERR
        return Fault(why)
