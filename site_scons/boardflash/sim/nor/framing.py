"""From clocks to instructions: what a serial NOR flash does between the edges of nCS.

The chip counts clocks in its own present mode; it never learns what the host meant. One instruction is
opcode, address, mode bits, dummy clocks, data, each on its own number of lines (JESD216F section 6.4.5
and the instruction tables of the vendors).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum

from boardflash.sim.nor.wire import CHIP_TO_HOST, HOST_TO_CHIP, from_levels, to_levels

_IO3_LOW = bytes(range(8))  # levels of a clock with IO3 = HOLD# = 0


class Stage(Enum):
    OPCODE = "opcode"
    ADDRESS = "address"
    MODE = "mode"
    DUMMY = "dummy"
    DATA_IN = "data in"
    DATA_OUT = "data out"
    DONE = "done"  # nothing more belongs to the instruction
    IGNORED = "ignored"  # unknown, or not taken now: outputs stay high-Z


class Protocol(IntEnum):
    """On how many lines the opcode goes."""

    SPI = 1
    DPI = 2
    QPI = 4


class Data(Enum):
    NONE = "none"
    IN = "in"
    OUT = "out"


Source = Callable[[int, int], bytes]
"""(offset in the output stream, count) -> bytes."""

ADDRESS_BY_MODE = -1


@dataclass(frozen=True)
class Instruction:
    """A row of the instruction table, as the datasheet has it in SPI."""

    name: str
    run: Callable[[], None] | None = None  # at the rising edge of nCS, if the instruction is complete
    source: Source | None = None  # of the data that go out
    data: Data = Data.NONE
    address: int = 0  # bytes; ADDRESS_BY_MODE = 3 or 4 as the chip is set
    address_lines: int = 1
    data_lines: int = 1
    mode_clocks: int = 0
    dummy_clocks: int = 0
    dummy_bytes: int = 0  # as many clocks as a byte takes in the present protocol
    memory: bool = False  # an array read: dummy clocks may be set by register
    live: bool = False  # the data may change while they are read
    while_busy: bool = False
    quad: bool = False  # needs quad enable where the chip has that bit
    protocols: frozenset[Protocol] = frozenset(Protocol)
    incomplete_runs: bool = False  # `run` after the opcode alone or after any data


@dataclass(frozen=True)
class Shape:
    """An instruction as it goes over the wire in the present mode."""

    address_clocks: int
    address_lines: int
    mode_clocks: int
    dummy_clocks: int
    data_lines: int


class Framing:
    """The clock-counting half of a chip; the vendor's half decides what the instructions do."""

    def __init__(self) -> None:
        self.protocol = Protocol.SPI
        self.four_byte = False
        self.instructions: dict[int, Instruction] = {}
        self.instruction: Instruction | None = None
        self.continuous: Instruction | None = None  # its opcode is left out
        self.at_ps = 0
        self.address = 0
        self.data = bytearray()
        self.wp_low = False
        self.extra_dummies = 0  # of array reads, beyond what the data sheet says: a fault
        self._selected = False
        self._stage = Stage.IGNORED
        self._lines = 1
        self._need = 0
        self._have = bytearray()
        self._todo: list[tuple[Stage, int, int]] = []
        self._out_clock = 0
        self._overrun = 0

    # What the vendor's half answers.

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        """Whether the chip takes this instruction now. Called for every opcode, known or not."""
        raise NotImplementedError

    def shape(self, instruction: Instruction) -> Shape:
        raise NotImplementedError

    def mode_bits(self, levels: bytes) -> None:
        """The mode clocks have been seen."""

    def hold_enabled(self) -> bool:
        """IO3 is HOLD# while it carries no data."""
        raise NotImplementedError

    def wake(self) -> None:
        """nCS has fallen: bring the inner work up to `at_ps`."""
        raise NotImplementedError

    def deaf(self) -> bool:
        """Nothing is taken now, not even an opcode."""
        raise NotImplementedError

    # The wire.

    def select(self, at_ps: int) -> None:
        self.at_ps = at_ps
        self.wake()
        self._selected = True
        self._overrun = 0
        self._have.clear()
        self.data.clear()
        self.instruction = None
        self._todo = []
        if self.deaf():
            self._stage = Stage.IGNORED
        elif self.continuous is not None:
            if self.accepts(-1, self.continuous):
                self._plan(self.continuous)
            else:
                self._stage = Stage.IGNORED
        else:
            self._stage, self._lines, self._need = Stage.OPCODE, self.protocol, 8 // self.protocol

    def clock_in(self, levels: bytes) -> None:
        while levels:
            stage = self._stage
            if stage is Stage.IGNORED:
                return
            if self._lines < 4 and min(levels) < 8 and self.hold_enabled():
                # HOLD# low: the chip sees no clock. Only up to the end of this stage; IO3 may be data then.
                levels = self._held(levels)
                continue
            if stage is Stage.DATA_OUT:
                self._out_clock += len(levels)
                return
            if stage is Stage.DONE:
                self._overrun += len(levels)
                return
            if stage is Stage.DATA_IN:
                self._take(levels)
                return
            count = self._need - len(self._have)
            self._have += levels[:count]
            levels = levels[count:]
            if len(self._have) == self._need:
                self._stage_complete()

    def _held(self, levels: bytes) -> bytes:
        """Take the clocks one by one while IO3 matters; the rest is given back."""
        for position, level in enumerate(levels):
            if self._stage is Stage.IGNORED or self._lines >= 4:
                return levels[position:]
            if level >= 8:
                self.clock_in(bytes([level]))
        return b""

    def clock_out(self, idle: int, clocks: int, at_ps: int) -> bytes:
        self.at_ps = max(self.at_ps, at_ps)
        seen = b""
        while clocks and self._stage not in (Stage.DATA_OUT, Stage.DATA_IN, Stage.DONE, Stage.IGNORED):
            count = min(clocks, self._need - len(self._have))
            self.clock_in(bytes([idle]) * count)
            seen += bytes([idle]) * count
            clocks -= count
        if not clocks:
            return seen
        if self._stage is not Stage.DATA_OUT or (self._lines < 4 and idle < 8 and self.hold_enabled()):
            self.clock_in(bytes([idle]) * clocks)
            return seen + bytes([idle]) * clocks
        per_byte = 8 // self._lines
        first = self._out_clock // per_byte
        last = (self._out_clock + clocks - 1) // per_byte
        levels = to_levels(self._out(first, last - first + 1), self._lines, idle, CHIP_TO_HOST)
        skip = self._out_clock - first * per_byte
        self._out_clock += clocks
        return seen + levels[skip : skip + clocks]

    def read_bytes(self, lines: int, count: int) -> bytes | None:
        if self._stage is not Stage.DATA_OUT or lines != self._lines or self._out_clock * lines & 7:
            return None
        first = self._out_clock * lines >> 3
        self._out_clock += count * 8 // lines
        return self._out(first, count)

    def write_bytes(self, lines: int, data: bytes) -> bool:
        if self._stage is not Stage.DATA_IN or lines != self._lines or self._have:
            return False
        self.data += data
        return True

    @property
    def steady(self) -> bool:
        """The output from here on depends on neither time nor further input."""
        if self._stage is Stage.DATA_OUT:
            assert self.instruction is not None
            return not self.instruction.live
        return self._stage is Stage.IGNORED

    def deselect(self, at_ps: int) -> None:
        if not self._selected:
            return
        self._selected = False
        self.at_ps = at_ps
        instruction = self.instruction
        if instruction is None or instruction.run is None:
            return
        if instruction.incomplete_runs or self._complete(instruction):
            instruction.run()

    def _complete(self, instruction: Instruction) -> bool:
        """nCS rises exactly at the end of a byte, after the last one that is needed."""
        if instruction.data is Data.IN:
            return self._stage is Stage.DATA_IN and not self._have and bool(self.data)
        return self._stage is Stage.DONE and self._overrun == 0

    # Stages.

    def _out(self, first: int, count: int) -> bytes:
        assert self.instruction is not None and self.instruction.source is not None
        return self.instruction.source(first, count)

    def _take(self, levels: bytes) -> None:
        self._have += levels
        whole = from_levels(bytes(self._have), self._lines, HOST_TO_CHIP)
        self.data += whole
        del self._have[: len(whole) * 8 // self._lines]

    def _plan(self, instruction: Instruction) -> None:
        self.instruction = instruction
        shape = self.shape(instruction)
        self._todo = [
            (Stage.ADDRESS, shape.address_lines, shape.address_clocks),
            (Stage.MODE, shape.address_lines, shape.mode_clocks),
            (Stage.DUMMY, shape.data_lines, self._dummies(instruction, shape)),
        ]
        final = {Data.NONE: Stage.DONE, Data.IN: Stage.DATA_IN, Data.OUT: Stage.DATA_OUT}[instruction.data]
        self._todo.append((final, shape.data_lines, -1))
        self._next_stage()

    def _dummies(self, instruction: Instruction, shape: Shape) -> int:
        waits = instruction.memory and shape.mode_clocks + shape.dummy_clocks > 0
        return max(0, shape.dummy_clocks + self.extra_dummies) if waits else shape.dummy_clocks

    def _next_stage(self) -> None:
        self._have.clear()
        while self._todo:
            self._stage, self._lines, self._need = self._todo.pop(0)
            if self._need:
                break
        self._out_clock = 0

    def _stage_complete(self) -> None:
        if self._stage is Stage.MODE:
            self.mode_bits(bytes(self._have))
            self._next_stage()
            return
        if self._stage is Stage.DUMMY:
            self._next_stage()
            return
        value = int.from_bytes(from_levels(bytes(self._have), self._lines, HOST_TO_CHIP), "big")
        if self._stage is Stage.ADDRESS:
            self.address = value
            self._next_stage()
            return
        self.wp_low = not self._have[-1] & 4
        instruction = self.instructions.get(value)
        if not self.accepts(value, instruction) or instruction is None:
            self._stage = Stage.IGNORED
            return
        self._plan(instruction)
