"""What the vendors' chips have in common: write enable, self-timed work, suspend, reset, reads.

Rules: nor-behaviour.md sections 1, 2, 4 and 7. A vendor's class adds registers, protection, its
instruction table and what differs.
"""

from __future__ import annotations

from collections.abc import Callable

from boardflash.errors import BoardflashError
from boardflash.sim.nor.cells import PS_PER_US, Cells, Operation
from boardflash.sim.nor.chip import ChipStats
from boardflash.sim.nor.framing import ADDRESS_BY_MODE, Data, Framing, Instruction, Protocol, Shape, Source
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import EraseUnit, Part
from boardflash.sim.target import VirtualClock

_SUSPEND_PS = 20 * PS_PER_US  # tSUS, W25Q family maximum (unverified); SFDP of W25Q128JV says 20 us as well


class SerialNor(Framing):
    """A chip of no vendor yet.

    A vendor's `__init__` ends with `begin_life`; `_table`, `load`, `power_up` and `start` are its own.
    """

    quad_register: tuple[str, int] | None = None  # where the quad enable bit stands: register, mask

    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__()
        self.part = part
        self.clock = clock
        self.options = options
        self.name = part.name
        self.size = part.size
        self.cells = Cells(part, options)
        self.write_enabled = False
        self.powered_down = False
        self.operation: Operation | None = None
        self.suspended: Operation | None = None
        self._reset_armed = False
        self._deaf_until_ps = 0
        self.at_ps = clock.now_ps
        self.extra_dummies = options.extra_dummies

    def begin_life(self) -> None:
        """As it leaves the factory or, by its options, as it is found; then power comes."""
        self.instructions = self._table()
        for opcode in self.options.unknown_opcodes:
            if opcode not in self.instructions:
                known = ", ".join(f"{opcode:02X}h" for opcode in sorted(self.instructions))
                raise BoardflashError(
                    f"{self.name} has no {opcode:02X}h; it has {known}", where="unknown_opcodes"
                )
            del self.instructions[opcode]
        self.impose(self.options)

    def _table(self) -> dict[int, Instruction]:
        raise NotImplementedError

    # What the board sees.

    @property
    def array(self) -> bytearray:
        return self.cells.array

    @property
    def stats(self) -> ChipStats:
        return self.cells.stats

    @property
    def dirty(self) -> bool:
        return self.cells.dirty

    @dirty.setter
    def dirty(self, value: bool) -> None:
        self.cells.dirty = value

    def settle(self, at_ps: int) -> None:
        if at_ps >= self._deaf_until_ps:
            self._deaf_until_ps = 0
        operation = self.operation
        if operation is not None and at_ps >= operation.end_ps:
            self.operation = None
            self.write_enabled = False
            operation.finish()

    def next_change_ps(self) -> int | None:
        """The end of what is at work, or of the time after a reset or a sleep in which it hears nothing."""
        moments = [self._deaf_until_ps] if self._deaf_until_ps else []
        if self.operation is not None:
            moments.append(self.operation.end_ps)
        return min(moments, default=None)

    def power_cycle(self) -> None:
        """Power goes and comes back: work is cut off, registers load their non-volatile values."""
        self.settle(self.clock.now_ps)
        self._cut_off()
        self.power_up()

    def nonvolatile(self) -> dict[str, int]:
        raise NotImplementedError

    def load(self, registers: dict[str, int]) -> None:
        """Put values into non-volatile registers, by their names in `nonvolatile`."""
        raise NotImplementedError

    def start(self, options: ChipOptions) -> None:
        """The state in which earlier firmware has left the chip."""
        raise NotImplementedError

    def restore(self, registers: dict[str, int]) -> None:
        self.load(registers)
        self.operation = self.suspended = None
        self.power_up()
        self.start(self.options)

    def impose(self, options: ChipOptions) -> None:
        held = self.nonvolatile() | dict(options.registers)
        if self.quad_register is not None and options.quad_enable is not None:
            name, mask = self.quad_register
            held[name] = held[name] | mask if options.quad_enable else held[name] & ~mask
        self.restore(held)
        self.cells.spoil()

    def quad_kept(self, value: int) -> int:
        """What the register with the quad enable bit makes of a value that is put into it."""
        stuck = self.options.quad_enable_stuck and self.quad_register is not None
        return value & ~self.quad_register[1] if stuck and self.quad_register else value

    def power_up(self) -> None:
        """The state after power-up or reset; vendors add their registers."""
        self.protocol = Protocol.SPI
        self.four_byte = False
        self.continuous = None
        self.write_enabled = False
        self.powered_down = False
        self._reset_armed = False
        self._deaf_until_ps = 0

    # Framing asks.

    @property
    def busy(self) -> bool:
        return self.operation is not None

    def wake(self) -> None:
        self.settle(self.at_ps)

    def deaf(self) -> bool:
        return self.at_ps < self._deaf_until_ps

    def hold_enabled(self) -> bool:
        return False

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        armed, self._reset_armed = self._reset_armed, False
        if instruction is None or self.protocol not in instruction.protocols:
            return False
        if self.powered_down and opcode != 0xAB:
            return False
        if opcode == 0x99:
            return armed
        return not self.busy or instruction.while_busy

    def shape(self, instruction: Instruction) -> Shape:
        size = instruction.address
        if size == ADDRESS_BY_MODE:
            size = 4 if self.four_byte else 3
        address_lines = max(instruction.address_lines, self.protocol)
        return Shape(
            address_clocks=size * 8 // address_lines,
            address_lines=address_lines,
            mode_clocks=instruction.mode_clocks,
            dummy_clocks=instruction.dummy_clocks + instruction.dummy_bytes * 8 // self.protocol,
            data_lines=max(instruction.data_lines, self.protocol),
        )

    # Sources of data.

    def effective_address(self) -> int:
        """Where the instruction works; large chips add upper bits to 3-byte addresses."""
        return self.address

    def from_array(self, first: int, count: int) -> bytes:
        return self.cells.read(self.effective_address() + first, count)

    def from_sfdp(self, first: int, count: int) -> bytes:
        """Outside the tables FFh (sfdp.md section 1)."""
        start = self.address + first
        table = self.part.sfdp[start : start + count]
        return table + b"\xff" * (count - len(table))

    def repeated(self, value: Callable[[], bytes]) -> Source:
        """Register reads repeat their value for as long as they are clocked."""

        def source(first: int, count: int) -> bytes:
            data = value()
            turn = first % len(data)
            return (data * ((turn + count) // len(data) + 1))[turn : turn + count]

        return source

    def register_read(self, name: str, value: Callable[[], int]) -> Instruction:
        """Of one byte; answers while busy, with the value of that moment."""

        def current() -> bytes:
            self.settle(self.at_ps)
            return bytes([value()])

        return Instruction(name, source=self.repeated(current), data=Data.OUT, live=True, while_busy=True)

    # Instructions that all have.

    def common_instructions(self) -> dict[int, Instruction]:
        table = {
            0x06: Instruction("write enable", self._write_enable),
            0x04: Instruction("write disable", self._write_disable),
            0x66: Instruction("reset enable", self._arm_reset, while_busy=True),
            0x99: Instruction("reset", self.software_reset, while_busy=True),
            0x75: Instruction("suspend", self._suspend, while_busy=True),
            0x7A: Instruction("resume", self._resume),
            0x5A: Instruction("read SFDP", source=self.from_sfdp, data=Data.OUT, address=3, dummy_clocks=8),
        }
        for unit in self.part.erases:
            table[unit.opcode] = Instruction(
                f"erase {unit.size >> 10} KiB", self._eraser(unit), address=ADDRESS_BY_MODE
            )
            if unit.opcode_4b is not None:
                table[unit.opcode_4b] = Instruction(
                    f"erase {unit.size >> 10} KiB, 4-byte address", self._eraser(unit), address=4
                )
        for opcode in self.part.chip_erase_opcodes:
            table[opcode] = Instruction("erase chip", self._erase_chip)
        return table

    def array_read(
        self,
        name: str,
        lines: tuple[int, int],
        mode: int,
        dummy: int,
        *,
        quad: bool = False,
        address: int = -1,
    ) -> Instruction:
        return Instruction(
            name,
            source=self.from_array,
            data=Data.OUT,
            address=address,
            address_lines=lines[0],
            data_lines=lines[1],
            mode_clocks=mode,
            dummy_clocks=dummy,
            memory=True,
            quad=quad,
        )

    def page_program(
        self, name: str, lines: tuple[int, int], *, quad: bool = False, address: int = -1
    ) -> Instruction:
        return Instruction(
            name,
            self._program,
            data=Data.IN,
            address=address,
            address_lines=lines[0],
            data_lines=lines[1],
            quad=quad,
        )

    def _write_enable(self) -> None:
        self.write_enabled = True

    def _write_disable(self) -> None:
        self.write_enabled = False

    # Self-timed work.

    def protected(self, start: int, size: int) -> bool:
        raise NotImplementedError

    def refused(self, kind: str) -> None:
        """A program or erase met a protected block. Winbond says nothing at all."""

    def may_work(self) -> bool:
        """Whether a program or erase is carried out now, protection aside."""
        return self.write_enabled

    def failed(self, kind: str) -> None:
        """A program or erase did not succeed."""

    def begin(self, kind: str, start: int, size: int, took_ps: int, finish: Callable[[], None]) -> None:
        self.operation = Operation(kind, start, size, self.at_ps + took_ps, finish, took_ps)

    def _program(self) -> None:
        page = self.part.page_size
        address, data = self.effective_address(), bytes(self.data)
        start = address % self.size // page * page
        if not self.may_work():
            return
        if self.protected(start, page):
            self.refused("program")
            return
        took = self.cells.program_ps(len(data))
        self.begin("program", start, page, took, lambda: self.cells.program(address, data))

    def _eraser(self, unit: EraseUnit) -> Callable[[], None]:
        def erase() -> None:
            self._erase(self.effective_address() % self.size // unit.size * unit.size, unit.size, unit.typ_us)

        return erase

    def _erase_chip(self) -> None:
        self._erase(0, self.size, self.part.chip_erase_us)

    def _erase(self, start: int, size: int, typ_us: int) -> None:
        if not self.may_work() or self.suspended is not None:
            return
        if self.protected(start, size):
            self.refused("erase")
            return

        def finish() -> None:
            if self.cells.erase_fails(start, size):
                self.failed("erase")
            else:
                self.cells.erase(start, size)

        self.begin("erase", start, size, self.cells.erase_ps(typ_us), finish)

    def _suspend(self) -> None:
        """The array becomes readable after tSUS; register writes and chip erase cannot be suspended."""
        operation = self.operation
        if operation is None or self.suspended is not None:
            return
        if operation.kind not in ("program", "erase") or operation.size == self.size:
            return
        operation.left_ps = operation.end_ps - self.at_ps

        self.suspended = operation
        self.operation = Operation("suspend", 0, 0, self.at_ps + _SUSPEND_PS, lambda: None, _SUSPEND_PS)

    def _resume(self) -> None:
        operation, self.suspended = self.suspended, None
        if operation is not None and operation.left_ps is not None:
            operation.end_ps = self.at_ps + operation.left_ps
            operation.left_ps = None
            self.operation = operation
            self.write_enabled = True

    @property
    def rests(self) -> Operation | None:
        """What is suspended, once it has come to a stop."""
        stopping = self.operation is not None and self.operation.kind == "suspend"
        return None if stopping else self.suspended

    def work_left_over(self, options: ChipOptions) -> None:
        """A chip erase that was begun before this board was looked at."""
        if options.busy_ms:
            self.write_enabled = True
            took = options.busy_ms * 1000 * PS_PER_US
            self.begin("erase", 0, self.size, took, lambda: self.cells.erase(0, self.size))

    # Modes, as most vendors have them.

    def _set_four_byte(self, on: bool) -> None:
        """No write enable needed (nor-behaviour.md section 2)."""
        self.four_byte = on

    def _enter_qpi(self) -> None:
        self.protocol = Protocol.QPI

    def _exit_qpi(self) -> None:
        self.protocol = Protocol.SPI

    # Reset.

    def _arm_reset(self) -> None:
        self._reset_armed = True

    def software_reset(self) -> None:
        """99h directly after 66h. Work is cut off: its cells hold neither old nor new."""
        cut_off = self.suspended or self.operation
        self._cut_off()
        self.power_up()
        self._deaf_until_ps = self.at_ps + self.recovery_us(cut_off) * PS_PER_US

    def recovery_us(self, cut_off: Operation | None) -> int:
        """How long the chip hears nothing after a reset. Winbond: tRST, whatever was going on (W256)."""
        return self.part.reset_us

    def _cut_off(self) -> None:
        for operation in (self.operation, self.suspended):
            if operation is not None:
                self.cells.scramble(operation)
        self.operation = self.suspended = None
