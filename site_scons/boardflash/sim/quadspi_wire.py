"""The QUADSPI controller's side of the wire: what it drives in each clock, and what it samples.

Lines that nobody drives are high: pull-ups. In phases of one or two lines the controller drives IO2 low
and IO3 high (reference facts stm32-quadspi.md section 10); in dummy clocks and while it reads, the lines
of the data phase float (section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from boardflash.sim.nor.chip import NorChip
from boardflash.sim.nor.wire import CHIP_TO_HOST, HOST_TO_CHIP, from_levels, to_levels

_LINES = ("io0", "io1", "io2", "io3")
_WIDTH = (0, 1, 2, 4)  # IMODE, ADMODE, ABMODE, DMODE
_DRIVEN = {0: 0xB, 1: 0xA, 2: 0x8, 4: 0x0}  # the other lines while the controller talks on so many
_FLOATING = {0: 0xB, 1: 0xB, 2: 0xB, 4: 0xF}  # all lines while it listens, or in dummy clocks


class Pads(Protocol):
    """Which of the controller's signals arrive at the chip.

    May also have `line_map() -> Mapping[str, str]`: the controller's line to the chip's line, where they
    are not wired straight ({"io0": "io1", "io1": "io0"}).
    """

    def reaches(self, signal: str) -> bool:
        """`signal` is one of clk, ncs, io0, io1, io2, io3: its pin has the right mode, function and wire."""


@dataclass(frozen=True)
class _Wires:
    """What the pads make of the controller's levels."""

    clocked: bool  # clk and ncs arrive: without them the chip sees nothing
    to_chip: bytes  # translation table of the four levels
    to_host: bytes
    straight: bool


@dataclass(frozen=True)
class Frame:
    """A command up to its data, clock by clock, and how the data go."""

    header: bytes
    lines: int  # of the data phase; 0 = none
    idle: int  # levels while the controller listens
    late: bool  # it listens on several lines without a dummy clock to turn the bus around
    dummies: int  # clocks before the data


def frame(ccr: int, address: int, alternate: int, *, with_instruction: bool) -> Frame:
    """The phases of CCR in their order: instruction, address, alternate bytes, dummy clocks."""
    header = b""
    lines = _WIDTH[ccr >> 8 & 3]
    if lines and with_instruction:
        header += _drive(bytes([ccr & 0xFF]), lines)
    lines = _WIDTH[ccr >> 10 & 3]
    if lines:
        header += _drive(_last_bytes(address, ccr >> 12 & 3), lines)
    lines = _WIDTH[ccr >> 14 & 3]
    if lines:
        header += _drive(_last_bytes(alternate, ccr >> 16 & 3), lines)
    lines = _WIDTH[ccr >> 24 & 3]
    dummies = ccr >> 18 & 31
    late = lines > 1 and dummies == 0 and bool(header)
    header += bytes([_FLOATING[lines]]) * dummies
    return Frame(header, lines, _FLOATING[lines], late, dummies)


def _last_bytes(value: int, size: int) -> bytes:
    return value.to_bytes(4, "big")[3 - size :]


def _drive(data: bytes, lines: int) -> bytes:
    return to_levels(data, lines, _DRIVEN[lines], HOST_TO_CHIP)


class Wire:
    """One command on the pins, from nCS low to nCS high."""

    def __init__(self, pads: Pads, chip: NorChip | None) -> None:
        self._pads = pads
        self._wired_chip = chip
        self._chip: NorChip | None = None
        self._frame = Frame(b"", 0, 0xF, False, 0)
        self._straight = True
        self._to_chip = self._to_host = bytes(range(256))
        self._late = False
        self._known: dict[tuple[object, ...], _Wires] = {}
        self._mapped: Mapping[str, str] | None = None
        self._present = _Wires(False, self._to_chip, self._to_host, False)

    def begin(self, frame: Frame, at_ps: int, header_clocks: int | None = None) -> None:
        """nCS low and the header, or only its first clocks."""
        self._frame = frame
        self._late = frame.late
        wires = self._wires()
        self._chip = self._wired_chip if wires.clocked else None
        if self._chip is None:
            return
        self._to_chip, self._to_host, self._straight = wires.to_chip, wires.to_host, wires.straight
        self._chip.select(at_ps)
        header = frame.header if header_clocks is None else frame.header[:header_clocks]
        self._chip.clock_in(header if self._straight else header.translate(self._to_chip))

    def write(self, data: bytes) -> None:
        chip, lines = self._chip, self._frame.lines
        if chip is None or not data:
            return
        if self._straight and chip.write_bytes(lines, data):
            return
        chip.clock_in(_drive(data, lines).translate(self._to_chip))

    def write_clocks(self, byte: int, clocks: int) -> None:
        """The first clocks of a byte, when a transfer is broken off inside it."""
        if self._chip is not None:
            levels = _drive(bytes([byte]), self._frame.lines)[:clocks]
            self._chip.clock_in(levels.translate(self._to_chip))

    def read(self, count: int, at_ps: int) -> bytes:
        """What the controller samples; the first of it begins at `at_ps`."""
        frame = self._frame
        if self._late:
            # The controller's own last levels are still on the lines: the first byte is lost. ST's staff
            # name the rule (stm32-quadspi.md section 2); what exactly is sampled is our inference.
            self._late = False
            lost = from_levels(frame.header[-1:] * (8 // frame.lines), frame.lines, CHIP_TO_HOST)
            self._sample(1, at_ps)
            return lost + (self._sample(count - 1, at_ps) if count > 1 else b"")
        return self._sample(count, at_ps)

    def _sample(self, count: int, at_ps: int) -> bytes:
        chip, lines, idle = self._chip, self._frame.lines, self._frame.idle
        clocks = count * 8 // lines
        if chip is None:
            return from_levels(bytes([idle]) * clocks, lines, CHIP_TO_HOST)
        if self._straight:
            data = chip.read_bytes(lines, count)
            if data is not None:
                return data
        seen = chip.clock_out(self._to_chip[idle], clocks, at_ps).translate(self._to_host)
        return from_levels(seen, lines, CHIP_TO_HOST)

    def steady(self) -> bool:
        """What will be read does not depend on when it is read, so it may be fetched ahead."""
        return not self._late and (self._chip is None or self._chip.steady)

    def end(self, at_ps: int) -> None:
        if self._chip is not None:
            self._chip.deselect(at_ps)
            self._chip = None

    def next_chip_change_ps(self) -> int | None:
        return None if self._wired_chip is None else self._wired_chip.next_change_ps()

    def _wires(self) -> _Wires:
        """The pads as they are now; worked out again only when their map has changed."""
        line_map: Mapping[str, str] = getattr(self._pads, "line_map", dict)()
        if line_map and line_map is self._mapped:
            return self._present
        reaches = self._pads.reaches
        reached = tuple(line in line_map or reaches(line) for line in _LINES)
        clocked = reaches("clk") and reaches("ncs")
        key = (clocked, reached, tuple(sorted(line_map.items())))
        if key not in self._known:
            to_chip, to_host = _translation(reached, line_map)
            self._known[key] = _Wires(clocked, to_chip, to_host, to_chip[:16] == bytes(range(16)))
        self._mapped, self._present = line_map, self._known[key]
        return self._present


def _translation(reached: tuple[bool, ...], line_map: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Levels at the controller to levels at the chip, and back; a line without a wire is high."""
    wires = [
        (host, _LINES.index(line_map.get(name, name))) for host, name in enumerate(_LINES) if reached[host]
    ]
    to_chip, to_host = bytearray(256), bytearray(256)
    for level in range(256):
        chip_level = host_level = 0xF
        for host, chip in wires:
            if not level >> host & 1:
                chip_level &= ~(1 << chip)
            if not level >> chip & 1:
                host_level &= ~(1 << host)
        to_chip[level], to_host[level] = chip_level, host_level
    return bytes(to_chip), bytes(to_host)
