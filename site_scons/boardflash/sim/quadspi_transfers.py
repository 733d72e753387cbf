"""What the QUADSPI controller can be busy with, each computed lazily from the time that has passed.

A transfer owns the wire from nCS low to nCS high. `settle(now)` brings it up to date; nothing here
advances the clock. Times are picoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.sim.quadspi_wire import Frame, Wire

FIFO_BYTES = 32
_AHEAD = 4096
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Timing:
    start_ps: int  # nCS low
    clock_ps: int


class Transfer:
    """`done` once nCS is high again, at `end_ps`."""

    def __init__(self, wire: Wire, frame: Frame, timing: Timing) -> None:
        self.wire = wire
        self.frame = frame
        self.start_ps = timing.start_ps
        self.clock_ps = timing.clock_ps
        self.byte_ps = 8 // (frame.lines or 1) * timing.clock_ps
        self.data_ps = timing.start_ps + len(frame.header) * timing.clock_ps
        self.done = False
        self.end_ps = 0

    def settle(self, now: int) -> None:
        raise NotImplementedError

    def level(self, now: int) -> int:
        """Bytes in the FIFO."""
        return 0

    def next_change_ps(self, now: int) -> int | None:
        raise NotImplementedError

    def abort(self, now: int) -> None:
        """nCS rises now, wherever the transfer stands."""
        if not self.done:
            self._finish(now)

    def _finish(self, at_ps: int) -> None:
        self.wire.end(at_ps)
        self.done = True
        self.end_ps = at_ps


class Command(Transfer):
    """Instruction, and address perhaps, without data."""

    def settle(self, now: int) -> None:
        if not self.done and now >= self.data_ps:
            self.wire.begin(self.frame, self.start_ps)
            self._finish(self.data_ps)

    def next_change_ps(self, now: int) -> int | None:
        return None if self.done else self.data_ps

    def abort(self, now: int) -> None:
        self.settle(now)
        if not self.done:
            self.wire.begin(self.frame, self.start_ps, max(0, now - self.start_ps) // self.clock_ps)
            self._finish(now)


class Write(Transfer):
    """Indirect write: the FIFO drains to the chip; when it is empty the clock rests, nCS low."""

    def __init__(self, wire: Wire, frame: Frame, timing: Timing, total: int) -> None:
        super().__init__(wire, frame, timing)
        self.total = total
        self._data = bytearray()  # all that was written to the FIFO, bytes beyond `total` too
        self._base = 0  # so many were sent at _base_ps; the clock has run since if there was data
        self._base_ps = self.data_ps

    def _sent(self, now: int) -> int:
        ran = max(0, now - self._base_ps) // self.byte_ps
        return min(self._base + ran, len(self._data), self.total)

    def level(self, now: int) -> int:
        """At the end of the transfer the FIFO is flushed: what lies beyond `total` is never sent."""
        return 0 if self.done else len(self._data) - self._sent(now)

    def draining(self, now: int) -> int | None:
        """`level`, as long as bytes of the transfer are still to be sent; None afterwards."""
        sent = self._base + ((now - self._base_ps) // self.byte_ps if now > self._base_ps else 0)
        have = len(self._data)
        if sent >= self.total or self.done:
            return None
        return have - sent if have > sent else 0

    def room_ps(self, now: int, count: int) -> int | None:
        """When `count` bytes fit into the FIFO; None = not before the transfer is over."""
        over = self.level(now) + count - FIFO_BYTES
        if over <= 0:
            return now
        needed = self._sent(now) + over
        return None if needed >= self.total else self._sent_ps(needed)

    def complete_ps(self) -> int:
        """When the last byte is out, if all of them are in the FIFO."""
        return self._sent_ps(self.total)

    def _sent_ps(self, count: int) -> int:
        return self._base_ps + (count - self._base) * self.byte_ps

    def offer(self, now: int, value: int, width: int) -> int:
        """`room_ps` and `push` in one step, for the many: when it fits; -1 with nothing done at the end."""
        data = self._data
        have = len(data)
        if have + width > self.total:
            return -1
        sent = self._base + ((now - self._base_ps) // self.byte_ps if now > self._base_ps else 0)
        if sent >= have:
            self._base = have
            if now > self._base_ps:
                self._base_ps = now
        elif have + width > sent + FIFO_BYTES:
            fits = self._base_ps + (have + width - FIFO_BYTES - self._base) * self.byte_ps
            if fits > now:
                now = fits
        data += value.to_bytes(width, "little")
        return now

    def push(self, now: int, data: bytes) -> None:
        sent = self._sent(now)
        if sent == len(self._data) and not self.done:
            self._base, self._base_ps = sent, max(self._base_ps, now)
        self._data += data

    def settle(self, now: int) -> None:
        if not self.done and self._sent(now) == self.total:
            self.wire.begin(self.frame, self.start_ps)
            self.wire.write(self._as_sent(self.total))
            self._finish(self.complete_ps())

    def _as_sent(self, count: int) -> bytes:
        """Behind dummy clocks the lines float for one nibble more: ES0290 2.4.2, "first nibble of data not
        written after dummy phase" (that they float is our inference)."""
        data = bytes(self._data[:count])
        return bytes([data[0] | 0xF0]) + data[1:] if data and self.frame.dummies else data

    def next_change_ps(self, now: int) -> int | None:
        sent = self._sent(now)
        if self.done or sent == len(self._data):
            return None
        return self._base_ps + (sent + 1 - self._base) * self.byte_ps

    def abort(self, now: int) -> None:
        """Bytes that have gone out stay gone out, and the clocks of the byte under way too."""
        self.settle(now)
        if self.done:
            return
        if now < self.data_ps:
            self.wire.begin(self.frame, self.start_ps, max(0, now - self.start_ps) // self.clock_ps)
        else:
            self.wire.begin(self.frame, self.start_ps)
            sent = self._sent(now)
            self.wire.write(self._as_sent(sent))
            if sent < min(len(self._data), self.total):
                into = now - self._base_ps - (sent - self._base) * self.byte_ps
                self.wire.write_clocks(self._data[sent], into // self.clock_ps)
        self._finish(now)


class Read(Transfer):
    """Indirect read or memory-mapped prefetch: fills the FIFO while the core computes, rests when full."""

    def __init__(self, wire: Wire, frame: Frame, timing: Timing, total: int | None) -> None:
        super().__init__(wire, frame, timing)
        self.total = _ENDLESS if total is None else total
        self.taken = 0
        self._base = 0
        self._base_ps = self.data_ps
        self._begun = False
        self._buffer = b""
        self._buffer_at = 0  # position of the buffer's first byte in the stream

    def arrived(self, now: int) -> int:
        raw = self._base + max(0, now - self._base_ps) // self.byte_ps
        return min(raw, self.total, self.taken + FIFO_BYTES)

    def level(self, now: int) -> int:
        return self.arrived(now) - self.taken

    def settle(self, now: int) -> None:
        if self.done or self.arrived(now) < self.total:
            return
        end_ps = self._base_ps + (self.total - self._base) * self.byte_ps
        self._fetch(self.total)
        self._finish(end_ps)

    def ready_ps(self, now: int, count: int) -> int:
        """When `count` more bytes are in the FIFO or pass through it. A resting clock starts again now."""
        full = self.taken + FIFO_BYTES
        if full < self.total and self._base + (now - self._base_ps) // self.byte_ps >= full:
            if full > self._buffer_at + len(self._buffer):
                self._fetch(full)  # these came before the clock rested
            self._base, self._base_ps = full, now
        return self._base_ps + (self.taken + count - self._base) * self.byte_ps

    def take(self, count: int) -> bytes:
        """The next bytes; the clock stands at their `ready_ps` or later."""
        first = self.taken - self._buffer_at
        if first + count > len(self._buffer):
            self._fetch(self.taken + count)
            first = self.taken - self._buffer_at
        self.taken += count
        return self._buffer[first : first + count]

    def full_ps(self) -> int:
        """When the FIFO is, or was, full."""
        return self._base_ps + (self.taken + FIFO_BYTES - self._base) * self.byte_ps

    def next_change_ps(self, now: int) -> int | None:
        if self.done:
            return None
        arrived = self.arrived(now)
        if arrived == self.taken + FIFO_BYTES:
            return None
        return self._base_ps + (arrived + 1 - self._base) * self.byte_ps

    def abort(self, now: int) -> None:
        if self.done:
            return
        if now < self.data_ps:
            self.wire.begin(self.frame, self.start_ps, max(0, now - self.start_ps) // self.clock_ps)
        else:
            self._fetch(self.arrived(now))
        self._finish(now)

    def _fetch(self, upto: int) -> None:
        """Have the stream in the buffer up to there, and further where that makes no difference."""
        if not self._begun:
            self.wire.begin(self.frame, self.start_ps)
            self._begun = True
        have = self._buffer_at + len(self._buffer)
        keep = self._buffer[self.taken - self._buffer_at :]
        fresh = []
        while have < upto:
            if self.wire.steady():
                count = min(max(upto - have, _AHEAD), self.total - have)
            else:
                count = 1  # each byte has its own moment
            at_ps = self._base_ps + (have - self._base) * self.byte_ps
            fresh.append(self.wire.read(count, at_ps))
            have += count
        self._buffer = keep + b"".join(fresh)
        self._buffer_at = self.taken


@dataclass(frozen=True)
class Match:
    mask: int
    value: int
    any_bit: bool  # PMM = 1
    stop: bool  # APMS = 1

    def __call__(self, status: int) -> bool:
        equal = ~(status ^ self.value) & self.mask
        return bool(equal) if self.any_bit else equal == self.mask


class Poll(Transfer):
    """Automatic polling: the same short read again and again until it matches."""

    def __init__(
        self,
        wire: Wire,
        first: Frame,
        later: Frame,
        timing: Timing,
        count: int,
        gap_clocks: int,
        match: Match,
    ) -> None:
        super().__init__(wire, first, timing)
        self._later = later
        self._count = count
        self._gap_ps = gap_clocks * timing.clock_ps
        self._match = match
        self._next_ps = timing.start_ps
        self._repeats = 0  # how often the last status came in a row
        self.status = 0
        self.fresh = False  # a status has come since DR was read
        self.matched = False  # since the flag was cleared

    def settle(self, now: int) -> None:
        while not self.done:
            if self._repeats >= 2:
                self._skip(now)
            complete = self._complete_ps(self._next_ps)
            if complete > now:
                return
            self._poll(complete)

    def _complete_ps(self, start_ps: int) -> int:
        return start_ps + len(self.frame.header) * self.clock_ps + self._count * self.byte_ps

    def _poll(self, complete_ps: int) -> None:
        self.wire.begin(self.frame, self._next_ps)
        data_ps = self._next_ps + len(self.frame.header) * self.clock_ps
        data = b"".join(self.wire.read(1, data_ps + n * self.byte_ps) for n in range(self._count))
        self.wire.end(complete_ps)
        status = int.from_bytes(data, "little")
        self._repeats = self._repeats + 1 if status == self.status else 1
        self.status = status
        self.fresh = True
        self._next_ps = complete_ps + self._gap_ps
        self.frame = self._later
        if self._match(status):
            self.matched = True
            if self._match.stop:
                self.done = True
                self.end_ps = complete_ps

    def _skip(self, now: int) -> None:
        """Leave out the polls that are over before the chip changes: they find it as the last ones did."""
        first = self._complete_ps(self._next_ps)
        change = self.wire.next_chip_change_ps()
        last = now if change is None else min(now, change - 1)
        if last < first:
            return
        period = first - self._next_ps + self._gap_ps
        count = (last - first) // period + 1
        self._next_ps += count * period
        self._repeats += count
        self.fresh = True

    def next_change_ps(self, now: int) -> int | None:
        if self.done:
            return None
        complete = self._complete_ps(self._next_ps)
        if self._repeats < 2 or not self.fresh or (self._match(self.status) and not self.matched):
            return complete
        change = self.wire.next_chip_change_ps()
        if change is None:
            return None
        period = complete - self._next_ps + self._gap_ps
        return complete + max(0, change - complete) // period * period

    def abort(self, now: int) -> None:
        self.settle(now)
        if not self.done:
            if now > self._next_ps:
                clocks = (now - self._next_ps) // self.clock_ps
                self.wire.begin(self.frame, self._next_ps, min(clocks, len(self.frame.header)))
            self._finish(now)
