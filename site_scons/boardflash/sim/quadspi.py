"""The QUADSPI controller of STM32F74x/F75x: registers, start rules, flags, memory-mapped window.

Implements RM0385 chapter 14 as reference facts carry it (stm32-quadspi.md sections 2 to 6). Writes to
fields that are locked while BUSY = 1 are dropped without a word, as silicon does. Not modelled: DMA,
dual-flash mode, DDR; a command that asks for one of the last two is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from boardflash.sim.nor.chip import NorChip
from boardflash.sim.quadspi_registers import (
    ABORT,
    ABR,
    APMS,
    AR,
    BUSY,
    CCR,
    CR,
    CR_LOCKED,
    CR_WRITABLE,
    DCR,
    DFM,
    DLR,
    DR,
    EN,
    FCR,
    FSEL,
    FTF,
    LPTR,
    MAPPED,
    PIR,
    PMM,
    POLL,
    PSMAR,
    PSMKR,
    READ,
    REGISTERS,
    SMF,
    SR,
    TCEN,
    TCF,
    TEF,
    TOF,
    WINDOW,
    WRITABLE,
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
from boardflash.sim.quadspi_wire import Frame, Pads, Wire, frame
from boardflash.sim.target import BusFault, VirtualClock
from boardflash.sim.twin import BUSY_STAYS

__all__ = ["Pads", "QuadSpi"]

# F74x/F75x (QSPI1_V1_0): the HAL aborts after every transfer, since BUSY may stay and a read may leave extra
# data in the FIFO. Stock OpenOCD polls for BUSY = 0 on this die after one-byte reads without an abort, and
# works; ST's own external loader for it (N25Q128A_STM32F7508-DISCO) polls so after page writes. So here,
# always the same (inference): a read of more than a word keeps BUSY until an abort, with one more word in the
# FIFO, and a write frees itself. A twin may have it otherwise.
_BUSY_STAYS = dict(zip(BUSY_STAYS, ((), (Read,), (Read, Write)), strict=True))
_QUIRK_FREE_BYTES = 4
_EXTRA_BYTES = 4


class QuadSpi:
    """Registers at 0xA0001000 and the window at 0x90000000; a `Peripheral` of sim/target.py."""

    def __init__(
        self,
        clock: VirtualClock,
        kernel_hz: Callable[[], int],
        pads: Pads,
        chips: Sequence[NorChip | None],
        *,
        busy_stays: str = "reads",
    ) -> None:
        """`chips` by bank; `busy_stays`: after which transfers, the F74x/F75x erratum."""
        self._clock = clock
        self._kernel_hz = kernel_hz
        self._wires = [Wire(pads, chip) for chip in chips]
        self._nothing = Wire(pads, None)
        self._busy_stays = _BUSY_STAYS[busy_stays]
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
        self._ncs_high_ps = 0
        self._clock_ps = 0
        self._instruction_sent = False

    # Registers.

    def read(self, offset: int, width: int) -> int:
        if offset == DR:
            return self._read_dr(width)
        if offset == SR and width == 4 and self._filling is not None:
            status = self._filling_status(self._filling)
            if status is not None:
                return status
        self._settle()
        register = offset & ~3
        if register == SR:
            value = self._status()
        elif register in (FCR, DR):
            value = 0
        else:
            value = self._r.get(register, 0)
        return value >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def write(self, offset: int, value: int, width: int) -> None:
        if offset == DR:
            clock, filling = self._clock, self._filling
            fits = -1 if filling is None else filling.offer(clock.now_ps, value, width)
            if fits < 0:
                self._write_dr(value, width)
            elif fits > clock.now_ps:
                clock.now_ps = fits  # the bus waits for room
            return
        self._settle()
        register = offset & ~3
        shift = 8 * (offset & 3)
        mask = (1 << 8 * width) - 1 << shift
        value = self._r.get(register, 0) & ~mask | value << shift & mask
        if register == CR:
            self._write_cr(value)
        elif register == FCR:
            self._clear_flags(value & mask)
        elif register in WRITABLE and not self._status() & BUSY:
            if register == AR and self._r[CCR] >> 26 & 3 == MAPPED:
                return
            self._r[register] = value & WRITABLE[register]
            if register == CCR:
                self._instruction_sent = False
                self._forget_transfer()
                self._after_ccr(bool(mask & 0xFF))
            elif register == AR:
                self._after_ar()

    def next_change_ps(self) -> int | None:
        self._settle()
        transfer = self._transfer
        if transfer is None:
            return None
        if self._mapped and isinstance(transfer, Read):
            timed = self._r[CR] & TCEN and not transfer.done
            return self._timeout_ps(transfer) if timed else None
        return transfer.next_change_ps(self._clock.now_ps)

    def write_is_quiet(self, offset: int) -> bool:
        """DR, while no flag may interrupt."""
        return offset == DR and not self._r[CR] >> 16 & 0x1F

    def next_irq_ps(self) -> int | None:
        """When the interrupt line may next rise by itself."""
        return self.next_change_ps() if self._r[CR] >> 16 & 0x1F else None

    def read_is_pure(self, offset: int) -> bool:
        return offset & ~3 != DR

    def irq(self) -> bool:
        enabled = self._r[CR] >> 16 & 0x1F
        if not enabled:
            return False
        self._settle()
        return bool(self._status() & enabled)  # TEIE..TOIE stand in the order of TEF..TOF

    # State.

    @property
    def _mapped(self) -> bool:
        return self._r[CCR] >> 26 & 3 == MAPPED

    def _settle(self) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        now = self._clock.now_ps
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

    def _write_cr(self, value: int) -> None:
        old = self._r[CR]
        writable = CR_WRITABLE & ~(CR_LOCKED if self._status() & BUSY else 0)
        self._r[CR] = old & ~writable | value & writable
        if old & EN and not value & EN:
            self._stop()
        elif value & ABORT and old & EN:
            self._stop()
            self._flags |= TCF

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

    def _clear_flags(self, value: int) -> None:
        self._flags &= ~(value & (TEF | TCF | SMF | TOF))
        if value & SMF and isinstance(self._transfer, Poll):
            self._transfer.matched = False

    def _forget_transfer(self) -> None:
        """It is over, and its FIFO is empty."""
        if isinstance(self._transfer, Poll):
            self._stale = self._transfer.status
        self._transfer = self._read = self._filling = None

    # Starting.

    def _after_ccr(self, instruction_written: bool) -> None:
        ccr = self._r[CCR]
        mode = ccr >> 26 & 3
        if mode == MAPPED or ccr >> 10 & 3 or not instruction_written:
            return
        no_data = not ccr >> 24 & 3
        if mode == WRITE and not no_data:
            return
        if no_data and (mode == POLL or not ccr >> 8 & 3):
            return
        self._start()

    def _after_ar(self) -> None:
        ccr = self._r[CCR]
        mode, no_data = ccr >> 26 & 3, not ccr >> 24 & 3
        if not ccr >> 10 & 3 or mode == MAPPED or (mode == POLL and no_data):
            return
        if mode != WRITE or no_data:
            self._start()

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
        prescaler = (self._r[CR] >> 24) + 1
        self._clock_ps = round(prescaler * 10**12 / self._kernel_hz())
        ready = self._ncs_high_ps + self._deselect_clocks() * self._clock_ps if self._ncs_high_ps else 0
        return Timing(max(self._clock.now_ps, ready), self._clock_ps)

    def _deselect_clocks(self) -> int:
        return (self._r[DCR] >> 8 & 7) + 1

    def _wire(self) -> Wire:
        bank = 1 if self._r[CR] & FSEL else 0
        return self._wires[bank] if bank < len(self._wires) else self._nothing

    def _memory_bytes(self) -> int | None:
        """None = no end: FSIZE = 1Fh."""
        size = self._r[DCR] >> 16 & 31
        return None if size == 31 else 2 << size

    # The data register.

    def _read_dr(self, width: int) -> int:
        transfer = self._read
        if transfer is None:
            return self._read_dr_without_transfer(width)
        left = transfer.total - transfer.taken
        if left >= width:
            clock = self._clock
            ready = transfer.ready_ps(clock.now_ps, width)
            if ready > clock.now_ps:
                clock.now_ps = ready  # the bus waits for the data
            self._stale = int.from_bytes(transfer.take(width), "little")
            if left - width < FIFO_BYTES:
                self._settle()
            return self._stale
        if left > 0:  # the access ends with the transfer: what is missing is what was there before
            self._clock.advance_to(transfer.ready_ps(self._clock.now_ps, left))
            rest = int.from_bytes(transfer.take(left), "little")
            self._settle()
            return rest
        self._settle()
        self._extra = max(0, self._extra - width)
        return self._stale & (1 << 8 * width) - 1

    def _read_dr_without_transfer(self, width: int) -> int:
        self._settle()
        if isinstance(self._transfer, Poll):
            self._transfer.fresh = False
            self._stale = self._transfer.status
        return self._stale & (1 << 8 * width) - 1

    def _write_dr(self, value: int, width: int) -> None:
        self._settle()
        ccr = self._r[CCR]
        if not self._r[CR] & EN or ccr >> 26 & 3 != WRITE or not ccr >> 24 & 3 or self._stuck:
            return
        if self._transfer is None or not self._status() & BUSY:
            self._start()
        transfer = self._transfer
        if not isinstance(transfer, Write):
            return
        room = transfer.room_ps(self._clock.now_ps, width)
        if room is None:
            raise BusFault(REGISTERS + DR, "the FIFO is full and the transfer has all its data")
        self._clock.advance_to(room)
        transfer.push(self._clock.now_ps, value.to_bytes(width, "little"))

    # The window.

    def window_read(self, offset: int, width: int) -> int:
        """An AHB read of 1, 2 or 4 bytes in the memory-mapped window; advances the clock. Raises BusFault."""
        return int.from_bytes(self.window_bytes(offset, width), "little")

    def window_bytes(self, offset: int, size: int) -> bytes:
        """Reads in sequence; each that does not follow the last one costs a new command."""
        self._settle()
        memory = self._memory_bytes()
        cr, ccr = self._r[CR], self._r[CCR]
        if not cr & EN or not self._mapped:
            raise BusFault(WINDOW + offset, "QUADSPI is not in memory-mapped mode")
        if memory is not None and offset + size > memory:
            raise BusFault(WINDOW + offset, f"beyond the {memory:#x} bytes that FSIZE gives")
        if not ccr >> 24 & 3 or cr & DFM or ccr & 1 << 31:
            raise BusFault(WINDOW + offset, "QUADSPI command without data phase, or in a mode not simulated")
        stream = self._transfer
        if not isinstance(stream, Read) or offset != self._mapped_next:
            self._stop()
            stream = Read(
                self._wire(), *self._mapped_command(offset), None if memory is None else memory - offset
            )
            self._transfer = stream
        self._clock.advance_to(stream.ready_ps(self._clock.now_ps, size))
        self._mapped_next = offset + size
        return stream.take(size)

    def window_write(self, offset: int) -> None:
        """The window is read only (memory)."""
        raise BusFault(WINDOW + offset, "the QUADSPI window cannot be written")

    def _mapped_command(self, offset: int) -> tuple[Frame, Timing]:
        return self._frame(offset), self._timing()
