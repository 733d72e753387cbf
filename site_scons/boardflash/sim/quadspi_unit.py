"""The QUADSPI controller at work: the command under way, its time on the bus, and the status it shows.

Implements RM0385 chapter 14 as reference facts carry it (stm32-quadspi.md sections 3 to 6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from boardflash.sim.quadspi_registers import (
    ABR,
    APMS,
    AR,
    BUSY,
    CCR,
    CR,
    DCR,
    DFM,
    DLR,
    EN,
    FSEL,
    FTF,
    LPTR,
    MAPPED,
    PIR,
    PMM,
    PSMAR,
    PSMKR,
    READ,
    SMF,
    TCEN,
    TCF,
    TEF,
    TOF,
    WRITE,
)
from boardflash.sim.quadspi_transfers import (
    FIFO_BYTES,
    Command,
    Match,
    Poll,
    Read,
    Timing,
    Transfer,
    Write,
)
from boardflash.sim.quadspi_wire import Frame, Wire, frame
from boardflash.sim.target import VirtualClock
from boardflash.sim.twin import BUSY_STAYS

# F74x/F75x (QSPI1_V1_0): the HAL aborts after every transfer, since BUSY may stay and a read may leave extra
# data in the FIFO. Stock OpenOCD polls for BUSY = 0 on this die after one-byte reads without an abort, and
# works; ST's own external loader for it (N25Q128A_STM32F7508-DISCO) polls so after page writes. So here,
# always the same (inference): a read of more than a word keeps BUSY until an abort, with one more word in the
# FIFO, and a write frees itself. A twin may have it otherwise.
_BUSY_STAYS = dict(zip(BUSY_STAYS, ((), (Read,), (Read, Write)), strict=True))
_QUIRK_FREE_BYTES = 4
_EXTRA_BYTES = 4

# An abort's TCF: the HAL waits for it and then for BUSY = 0, and nothing says in which order they come. On an
# F469 they were seen together (bench of the brio project). With `late_abort` TCF comes so long after BUSY
# fell: an assumption.
LATE_ABORT_PS = 1_000_000

MAX_CLOCK_HZ = 108_000_000  # single data rate (data sheet of F723, table 112; ST's BSP runs the F746's at it)


class CommandUnit:
    """What the registers have set going, and what it has come to. `QuadSpi` adds how software gets at it."""

    def __init__(
        self,
        clock: VirtualClock,
        kernel_hz: Callable[[], int],
        wires: Sequence[Wire],
        *,
        busy_stays: str = "reads",
        late_abort: bool = False,
        violation: Callable[[str, str], None] = lambda rule, detail: None,
    ) -> None:
        """`wires` of bank 1 and bank 2; `busy_stays`: after which transfers, the F74x/F75x erratum;
        `violation` is told what hardware forbids but does not report."""
        self._clock = clock
        self._kernel_hz = kernel_hz
        self._wires = wires
        self._busy_stays = _BUSY_STAYS[busy_stays]
        self._late_abort = late_abort
        self._violation = violation
        self._r: dict[int, int] = {}
        self._transfer: Transfer | None = None
        self._read: Read | None = None  # the transfer, if DR reads take from it
        self._filling: Write | None = None  # the transfer, if DR writes go to it
        self.reset()

    def reset(self) -> None:
        """All registers 0; nCS goes high."""
        if self._transfer is not None:
            self._transfer.settle(self._clock.now_ps)
            self._transfer.abort(self._clock.now_ps)
        self._r = dict.fromkeys(range(0, 0x34, 4), 0)
        self._flags = 0
        self._transfer = self._read = self._filling = None
        self._mapped_next = 0
        self._stuck = False  # BUSY until an abort (quirk)
        self._extra = 0
        self._stale = 0
        self._low_bits = 0  # of the address of the last indirect operation, until an abort takes in AR anew
        self._aborted_ps: int | None = None  # when the TCF of an abort comes
        self._ncs_high_ps = 0
        self._clock_ps = 0
        self._instruction_sent = False

    @property
    def _mapped(self) -> bool:
        return self._r[CCR] >> 26 & 3 == MAPPED

    def _settle(self) -> None:
        now = self._clock.now_ps
        if self._aborted_ps is not None and now >= self._aborted_ps:
            self._aborted_ps = None
            self._flags |= TCF
        transfer = self._transfer
        if transfer is None:
            return
        was_done = transfer.done
        transfer.settle(now)
        if isinstance(transfer, Poll):
            if transfer.matched:
                self._flags |= SMF
        elif isinstance(transfer, Read) and self._mapped:
            self._time_out(transfer, now)
        elif transfer.done and not was_done:
            self._flags |= TCF
            total = getattr(transfer, "total", 0)
            if total > _QUIRK_FREE_BYTES and isinstance(transfer, self._busy_stays):
                self._stuck = True
                self._extra = _EXTRA_BYTES if isinstance(transfer, Read) else 0
        if transfer.done:
            self._ncs_high_ps = max(self._ncs_high_ps, transfer.end_ps)

    def _timeout_ps(self, transfer: Read) -> int:
        return transfer.full_ps() + self._r[LPTR] * self._clock_ps

    def _time_out(self, transfer: Read, now: int) -> None:
        """TCEN: with the FIFO full for LPTR clocks, nCS is released."""
        if not self._r[CR] & TCEN or transfer.done or transfer.level(now) < FIFO_BYTES:
            return
        timeout = self._timeout_ps(transfer)
        if now >= timeout:
            transfer.abort(timeout)
            self._ncs_high_ps = timeout
            self._transfer = None
            self._flags |= TOF

    def _transfer_change_ps(self) -> int | None:
        transfer = self._transfer
        if transfer is None:
            return None
        if self._mapped and isinstance(transfer, Read):
            timed = self._r[CR] & TCEN and not transfer.done
            return self._timeout_ps(transfer) if timed else None
        return transfer.next_change_ps(self._clock.now_ps)

    def _level(self, now: int) -> int:
        transfer = self._transfer
        if transfer is None or self._mapped:
            return 0
        if isinstance(transfer, Poll):
            return 0
        level = transfer.level(now)
        return min(level + self._extra, FIFO_BYTES) if transfer.done else level

    def _status(self) -> int:
        now = self._clock.now_ps
        transfer = self._transfer
        level = self._level(now)
        status = self._flags
        mode = self._r[CCR] >> 26 & 3
        threshold = (self._r[CR] >> 8 & 31) + 1
        if not self._r[CR] & EN:
            return status
        if isinstance(transfer, Poll):
            ready = transfer.fresh
        elif isinstance(transfer, Read):
            ready = level >= threshold or (transfer.done and level > 0)
        else:
            ready = mode == WRITE and FIFO_BYTES - level >= threshold
        if ready and not self._mapped:
            status |= FTF
        if self._stuck or (transfer is not None and (not transfer.done or level > 0 or self._mapped)):
            status |= BUSY
        return status | level << 8

    def _filling_status(self, transfer: Write) -> int | None:
        """`_status` while an indirect write drains, the state that software polls most; None at its end."""
        level = transfer.draining(self._clock.now_ps)
        if level is None or not self._r[CR] & EN:
            return None
        ready = FTF if FIFO_BYTES - level > self._r[CR] >> 8 & 31 else 0
        return self._flags | BUSY | ready | level << 8

    def _stop(self) -> None:
        """nCS high, FIFO empty, BUSY clear."""
        now = self._clock.now_ps
        if self._transfer is not None:
            if not self._transfer.done:
                self._transfer.abort(now)
                self._ncs_high_ps = max(now, self._transfer.end_ps)
            self._transfer = self._read = self._filling = None
        self._stuck = False
        self._extra = 0

    def _forget_transfer(self) -> None:
        """It is over, and its FIFO is empty."""
        if isinstance(self._transfer, Poll):
            self._stale = self._transfer.status
        self._transfer = self._read = self._filling = None

    def _start(self) -> None:
        ccr, cr = self._r[CCR], self._r[CR]
        if not cr & EN or cr & DFM or ccr & 1 << 31:
            return
        size = self._memory_bytes()
        length = self._r[DLR] + 1 if ccr >> 24 & 3 else 0
        start = self._r[AR] if ccr >> 10 & 3 else 0
        total: int | None = length
        if length == 1 << 32:  # until the end of memory; without an end it goes on for ever
            total = None if size is None else max(size - start, 1)
        # A wrong address, or data that would go beyond the end, sets TEF as the access is triggered (memory
        # of RM0385, error management); that nothing is sent then is our inference.
        if ccr >> 10 & 3 and size is not None and (start >= size or start + (total or 0) > size):
            self._flags |= TEF
            return
        if ccr >> 10 & 3:
            self._low_bits = start & 3
        timing = self._timing()
        wire = self._wire()
        mode = ccr >> 26 & 3
        self._read = self._filling = None
        first = self._frame(start)
        if not first.lines:
            self._transfer = Command(wire, first, timing)
        elif mode == WRITE:
            limit = total if total is not None else 1 << 62
            self._transfer = self._filling = Write(wire, first, timing, limit)
        elif mode == READ:
            self._transfer = self._read = Read(wire, first, timing, total)
        else:
            gap = max(self._r[PIR], self._deselect_clocks())
            match = Match(self._r[PSMKR], self._r[PSMAR], bool(cr & PMM), bool(cr & APMS))
            count = min(length, 4)
            self._transfer = Poll(wire, first, self._frame(start), timing, count, gap, match)

    def _frame(self, address: int) -> Frame:
        """With SIOO the instruction goes out only once after CCR was written."""
        ccr = self._r[CCR]
        with_instruction = not (ccr & 1 << 28 and self._instruction_sent)
        self._instruction_sent = True
        return frame(ccr, address, self._r[ABR], with_instruction=with_instruction)

    def _timing(self) -> Timing:
        """A new command waits until nCS has been high for CSHT + 1 clocks."""
        prescaler, kernel_hz = (self._r[CR] >> 24) + 1, self._kernel_hz()
        if kernel_hz > MAX_CLOCK_HZ * prescaler:
            self._violation("quadspi_clock", f"{kernel_hz // prescaler} Hz, at most {MAX_CLOCK_HZ}")
        self._clock_ps = round(prescaler * 10**12 / kernel_hz)
        ready = self._ncs_high_ps + self._deselect_clocks() * self._clock_ps if self._ncs_high_ps else 0
        return Timing(max(self._clock.now_ps, ready), self._clock_ps)

    def _deselect_clocks(self) -> int:
        return (self._r[DCR] >> 8 & 7) + 1

    def _wire(self) -> Wire:
        return self._wires[1 if self._r[CR] & FSEL else 0]

    def _memory_bytes(self) -> int | None:
        """None = no end: FSIZE = 1Fh."""
        size = self._r[DCR] >> 16 & 31
        return None if size == 31 else 2 << size
