"""ISSI IS25LP: one status register with QE, function register, read parameters, QPI.

Implements IS25LP128 as far as reference facts carry it (nor-behaviour.md sections 3, 4, 6 and 7, its SFDP
dump). What none of them states and is remembered from the data sheet is marked (unverified).
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.cells import PS_PER_US
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.framing import Data, Instruction, Protocol, Shape
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part
from boardflash.sim.target import VirtualClock

_SRWD, _QE = 0x80, 0x40
_TBS = 0x02  # function register, OTP (unverified)
_BLOCK = 0x1_0000
_WAKE_US = 3  # dump: leave deep power-down 3000 ns
_SPI_ONLY = frozenset({Protocol.SPI})
_QPI_ONLY = frozenset({Protocol.QPI})


class Issi(SerialNor):
    quad_register = ("sr", _QE)

    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__(part, clock, options)
        self.nv = dict(part.registers)
        self.sr = self.read_parameters = 0
        self._volatile_write = False
        self.begin_life()

    def start(self, options: ChipOptions) -> None:
        if options.qpi:
            self.protocol = Protocol.QPI
        if options.continuous_read:
            self.continuous = self.instructions.get(0xEB)
        self.four_byte = options.four_byte
        self.powered_down = options.deep_power_down
        self.work_left_over(options)

    # Registers.

    def nonvolatile(self) -> dict[str, int]:
        return dict(self.nv)

    def load(self, registers: dict[str, int]) -> None:
        self.nv |= {name: registers[name] for name in self.nv if name in registers}
        self.nv["sr"] = self.quad_kept(self.nv["sr"])

    def power_up(self) -> None:
        super().power_up()
        self.sr = self.nv["sr"] & 0xFC
        self.read_parameters = 0
        self._volatile_write = False

    def _status(self) -> int:
        return self.sr | self.write_enabled << 1 | self.busy

    # The wire.

    @property
    def quad_enabled(self) -> bool:
        return bool(self.sr & _QE)

    def hold_enabled(self) -> bool:
        """IO3 is HOLD# with QE = 0."""
        return not self.quad_enabled

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        volatile, self._volatile_write = self._volatile_write, False
        if not super().accepts(opcode, instruction):
            return False
        assert instruction is not None
        if instruction.quad and not self.quad_enabled:
            return False
        if opcode == 0x01:
            self._volatile_write = volatile
        return True

    def shape(self, instruction: Instruction) -> Shape:
        """Bits 6:3 of the read parameters give the clocks of every read but 03h, mode clocks included;
        0 = the instruction's own default."""
        shape = super().shape(instruction)
        clocks = self.read_parameters >> 3 & 15
        if instruction.memory and instruction.dummy_clocks and clocks:
            return replace(shape, dummy_clocks=max(0, clocks - shape.mode_clocks))
        return shape

    def mode_bits(self, levels: bytes) -> None:
        """Axh goes on without opcode (nor-behaviour.md section 7)."""
        self.continuous = self.instruction if len(levels) == 2 and levels[0] & 15 == 0xA else None

    # Instructions.

    def _table(self) -> dict[int, Instruction]:
        table = self.common_instructions()
        table[0xB0], table[0x30] = table[0x75], table[0x7A]
        table[0xD7] = table[0x20]
        table |= {
            0x50: Instruction("write enable for the volatile status register", self._enable_volatile),  # dump
            0x05: self.register_read("read status register", self._status),
            0x01: Instruction("write status register", self._write_status, data=Data.IN),
            0x48: self.register_read("read function register", lambda: self.nv["function"]),
            0x42: Instruction("write function register", self._write_function, data=Data.IN),
            0xC0: Instruction("set read parameters", self._set_parameters, data=Data.IN),
            0x9F: Instruction(
                "read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_SPI_ONLY
            ),
            0xAF: Instruction(
                "QPI read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_QPI_ONLY
            ),
            0xAB: Instruction(
                "release deep power-down, read ID",
                self._release,
                source=self.repeated(lambda: bytes([self._jedec()[2] - 1])),
                data=Data.OUT,
                dummy_bytes=3,
                incomplete_runs=True,
            ),
            0xB9: Instruction("deep power-down", self._power_down),
            0x35: Instruction("enter QPI", self._enter_qpi, protocols=_SPI_ONLY),
            0xF5: Instruction("exit QPI", self._exit_qpi, protocols=_QPI_ONLY),
            # B7h and four address bytes work on this 16 MiB part (Glasgow recording, chips.toml).
            0xB7: Instruction("enter 4-byte mode", lambda: self._set_four_byte(True)),
            0xE9: Instruction("exit 4-byte mode", lambda: self._set_four_byte(False)),
            0x03: replace(self.array_read("read", (1, 1), 0, 0), protocols=_SPI_ONLY),
            0x0B: self.array_read("fast read", (1, 1), 0, 8),
            0x3B: replace(self.array_read("dual output read", (1, 2), 0, 8), protocols=_SPI_ONLY),
            0x6B: replace(self.array_read("quad output read", (1, 4), 0, 8, quad=True), protocols=_SPI_ONLY),
            0xEB: self.array_read("quad I/O read", (4, 4), 2, 4, quad=True),
            0x02: self.page_program("page program", (1, 1)),
            0x32: replace(self.page_program("quad page program", (1, 4), quad=True), protocols=_SPI_ONLY),
            0x38: replace(self.page_program("quad page program", (1, 4), quad=True), protocols=_SPI_ONLY),
        }
        return table

    def _jedec(self) -> bytes:
        return self.options.jedec_id or self.part.jedec_id

    def _enable_volatile(self) -> None:
        self._volatile_write = True

    def _write_status(self) -> None:
        """Exactly one byte."""
        volatile, self._volatile_write = self._volatile_write, False
        if len(self.data) != 1 or not (volatile or self.write_enabled):
            return
        if self.sr & _SRWD and self.wp_low and not self.quad_enabled:
            return
        self.sr = self.quad_kept(self.data[0] & 0xFC)
        if not volatile:
            self.nv["sr"] = self.sr
            self.dirty = True
            self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, lambda: None)

    def _write_function(self) -> None:
        """Bits can only be set (OTP)."""
        if self.write_enabled and len(self.data) == 1:
            self.nv["function"] |= self.data[0]
            self.dirty = True
            self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, lambda: None)

    def _set_parameters(self) -> None:
        if len(self.data) == 1:
            self.read_parameters = self.data[0]

    def _power_down(self) -> None:
        self.powered_down = True

    def _release(self) -> None:
        if self.powered_down:
            self.powered_down = False
            self._deaf_until_ps = self.at_ps + _WAKE_US * PS_PER_US

    # Protection.

    def protected(self, start: int, size: int) -> bool:
        """BP3-0: 2^(BP-1) blocks of 64 KiB from the top, from the bottom with TBS."""
        bp = self.sr >> 2 & 15
        if bp == 0:
            return False
        length = min(_BLOCK << (bp - 1), self.size)
        low, high = (0, length) if self.nv["function"] & _TBS else (self.size - length, self.size)
        return start < high and start + size > low
