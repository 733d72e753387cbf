"""The QUADSPI controller of STM32F74x/F75x: registers, start rules, flags, memory-mapped window.

Implements RM0385 chapter 14 as reference facts carry it (stm32-quadspi.md sections 2 to 6). Writes to
fields that are locked while BUSY = 1 are dropped without a word, as silicon does. Not modelled: DMA,
dual-flash mode, DDR; a command that asks for one of the last two is not sent. Errata: ES0290 (F74x/F75x).
"""

from __future__ import annotations

from boardflash.sim.quadspi_registers import (
    ABORT,
    AR,
    BUSY,
    CCR,
    CR,
    CR_LOCKED,
    CR_WRITABLE,
    DFM,
    DR,
    EN,
    FCR,
    MAPPED,
    POLL,
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
    Poll,
    Read,
    Timing,
    Write,
)
from boardflash.sim.quadspi_unit import LATE_ABORT_PS, CommandUnit
from boardflash.sim.quadspi_wire import Frame
from boardflash.sim.target import BusFault


class QuadSpi(CommandUnit):
    """Registers at 0xA0001000 and the window at 0x90000000; a `Peripheral` of sim/target.py."""

    def read(self, offset: int, width: int) -> int:
        if offset == DR:
            return self._read_dr(width)
        if offset == SR and width == 4 and self._filling is not None and self._aborted_ps is None:
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
        moments = (self._aborted_ps, self._transfer_change_ps())
        return min((moment for moment in moments if moment is not None), default=None)

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

    def _write_cr(self, value: int) -> None:
        old = self._r[CR]
        busy = self._status() & BUSY
        writable = CR_WRITABLE & ~(CR_LOCKED if busy else 0)
        self._r[CR] = old & ~writable | value & writable
        if value & ABORT and not old & EN:
            self._violation("quadspi_abort", "ABORT was written while EN = 0")
        if old & EN and not value & EN:
            self._stop()
        elif value & ABORT and old & EN:
            self._stop()
            self._low_bits = self._r[AR] & 3
            if busy and self._late_abort:
                self._aborted_ps = self._clock.now_ps + LATE_ABORT_PS
            else:
                self._flags |= TCF

    def _clear_flags(self, value: int) -> None:
        self._flags &= ~(value & (TEF | TCF | SMF | TOF))
        if value & SMF and isinstance(self._transfer, Poll):
            self._transfer.matched = False

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
        if self._mapped:
            return 0  # DR belongs to the other modes
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
        if room is None:  # the FIFO is full of bytes beyond DLR: the access waits, and is flushed with them
            self._clock.advance_to(transfer.complete_ps())
            self._settle()
        else:
            self._clock.advance_to(room)
            transfer.push(self._clock.now_ps, value.to_bytes(width, "little"))

    def window_read(self, offset: int, width: int) -> int:
        """An AHB read of 1, 2 or 4 bytes in the memory-mapped window; advances the clock. Raises BusFault."""
        return int.from_bytes(self.window_bytes(offset, width), "little")

    def window_bytes(self, offset: int, size: int) -> bytes:
        """Reads in sequence; each that does not follow the last one costs a new command."""
        self._settle()
        memory = self._memory_bytes()
        cr, ccr = self._r[CR], self._r[CCR]
        if not cr & EN:
            raise BusFault(WINDOW + offset, "QUADSPI is not enabled")
        if not self._mapped:
            self._r[AR] = 0  # ES0290 2.4.5: "memory-mapped access in indirect mode clearing QUADSPI_AR"
            raise BusFault(WINDOW + offset, "QUADSPI is not in memory-mapped mode")
        if memory is not None and offset + size > memory:
            raise BusFault(WINDOW + offset, f"beyond the {memory:#x} bytes that FSIZE gives")
        if not ccr >> 24 & 3 or cr & DFM or ccr & 1 << 31:
            raise BusFault(WINDOW + offset, "QUADSPI command without data phase, or in a mode not simulated")
        stream = self._transfer
        if not isinstance(stream, Read) or offset != self._mapped_next:
            if cr & TCEN:
                self._violation("quadspi_timeout", "mapped reads with TCEN = 1 may fail (ES0290 2.4.4)")
            self._stop()
            stream = Read(
                self._wire(), *self._mapped_command(offset), None if memory is None else memory - offset
            )
            self._transfer = stream
        self._clock.advance_to(stream.ready_ps(self._clock.now_ps, size))
        self._r[AR] = offset + size - 1 & ~3  # in this mode AR follows the bus (brio's bench, F469)
        self._mapped_next = offset + size
        return stream.take(size)

    def window_write(self, offset: int) -> None:
        """The window is read only (unverified)."""
        raise BusFault(WINDOW + offset, "the QUADSPI window cannot be written")

    def _mapped_command(self, offset: int) -> tuple[Frame, Timing]:
        """After an indirect operation with AR[1:0] not 0 the first read gives wrong data (ES0290 2.4.3).

        The remedy of the errata sheet is AR = 0, then ABORT. What comes instead is our inference: what lies
        where the low bits point.
        """
        low, self._low_bits = self._low_bits, 0
        return self._frame(offset | low), self._timing()
