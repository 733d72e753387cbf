"""Macronix MX25L: configuration register, QPI, security register; above 128 Mbit 4-byte addressing.

Implements MX66L1G45G v1.5 and its family as far as reference facts carry it (nor-behaviour.md sections 2
to 7), and application note AN0251 (Multi I/O Introduction). What none of them states and is remembered
from the datasheet is marked (unverified).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from boardflash.sim.nor.cells import PS_PER_US, Operation
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.framing import Data, Instruction, Protocol, Shape
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part
from boardflash.sim.target import VirtualClock

_SRWD, _QE = 0x80, 0x40
_CR_4BYTE, _CR_TB = 0x20, 0x08
_P_FAIL, _E_FAIL = 0x20, 0x40  # security register
_BLOCK = 0x1_0000
_WAKE_US = 30  # tRES1 (SFDP of the family)
_SPI_ONLY = frozenset({Protocol.SPI})
_QPI_ONLY = frozenset({Protocol.QPI})
# Back from reset (MX tables 22 to 28, maxima): by what was cut off, and the erase unit; 0 = the whole chip.
_RECOVERY_US = {
    ("program", 0): 310,
    ("register", 0): 40_000,
    ("erase", 0x1000): 12_000,
    ("erase", 0x8000): 25_000,
    ("erase", 0x1_0000): 25_000,
    ("erase", 0): 1_000_000,
}
# Dummy clocks by DC1-0 (MX table 10): fast read and 6Bh; EBh, its two mode clocks included.
_DUMMIES_1 = (8, 6, 8, 10)
_DUMMIES_2IO = (4, 6, 8, 10)
_DUMMIES_4IO = (6, 4, 8, 10)


class Macronix(SerialNor):
    quad_register = ("sr", _QE)

    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__(part, clock, options)
        self.nv = dict(part.registers)
        self.sr = self.cr = self.security = self.ear = 0
        self.begin_life()

    def start(self, options: ChipOptions) -> None:
        if options.qpi:
            self.protocol = Protocol.QPI
        if options.continuous_read:
            self.continuous = self.instructions.get(0xEB)
        self.four_byte = options.four_byte and self.large
        self.powered_down = options.deep_power_down
        self.work_left_over(options)

    # Registers.

    def nonvolatile(self) -> dict[str, int]:
        """Of the configuration register only TB outlives power (OTP)."""
        return dict(self.nv)

    def load(self, registers: dict[str, int]) -> None:
        self.nv |= {name: registers[name] for name in self.nv if name in registers}
        self.nv["sr"] = self.quad_kept(self.nv["sr"])

    def power_up(self) -> None:
        super().power_up()
        self.sr = self.nv["sr"] & 0xFC
        self.cr = self.part.registers["cr"] | self.nv["cr"] & _CR_TB
        self.security = 0
        self.ear = 0

    def _status(self) -> int:
        return self.sr | self.write_enabled << 1 | self.busy

    # The wire.

    @property
    def large(self) -> bool:
        """More than three address bytes reach."""
        return self.size > 1 << 24

    @property
    def quad_enabled(self) -> bool:
        return bool(self.sr & _QE)

    def hold_enabled(self) -> bool:
        """IO3 is RESET# or NC on these parts, HOLD# on none of them (unverified)."""
        return False

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        """QPI needs no QE, neither to enter it nor for its reads (AN0251 section 4)."""
        if not super().accepts(opcode, instruction):
            return False
        assert instruction is not None
        return not instruction.quad or self.quad_enabled or self.protocol is Protocol.QPI

    def shape(self, instruction: Instruction) -> Shape:
        shape = super().shape(instruction)
        if instruction.memory and instruction.dummy_clocks:
            table = {1: _DUMMIES_1, 2: _DUMMIES_2IO, 4: _DUMMIES_4IO}[shape.address_lines]
            return replace(shape, dummy_clocks=table[self.cr >> 6] - shape.mode_clocks)
        return shape

    def mode_bits(self, levels: bytes) -> None:
        """Goes on without opcode while P7-4 is the complement of P3-0 (MX 9-24)."""
        self.continuous = self.instruction if levels[0] & 15 == ~levels[1] & 15 else None

    def effective_address(self) -> int:
        """In 3-byte mode the extended address register gives the upper byte; in 4-byte mode it is ignored."""
        assert self.instruction is not None
        if self.instruction.address == 4 or self.four_byte:
            return self.address
        return self.address | self.ear << 24

    # Instructions.

    def _table(self) -> dict[int, Instruction]:
        table = self.common_instructions()
        table[0xB0], table[0x30] = table.pop(0x75), table.pop(0x7A)
        table |= {
            0x9F: Instruction(
                "read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_SPI_ONLY
            ),
            0xAF: Instruction(
                "QPI read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_QPI_ONLY
            ),
            0xAB: Instruction(
                "release deep power-down, read electronic ID",
                self._release,
                source=self.repeated(lambda: bytes([self._jedec()[2] - 1])),
                data=Data.OUT,
                dummy_bytes=3,
                incomplete_runs=True,
            ),
            0xB9: Instruction("deep power-down", self._power_down),
            0x05: self.register_read("read status register", self._status),
            0x15: self.register_read("read configuration register", self._configuration),
            0x2B: self.register_read("read security register", lambda: self.security),
            0xC8: Instruction(
                "read extended address register",
                source=self.repeated(lambda: bytes([self.ear])),
                data=Data.OUT,
            ),
            0xC5: Instruction("write extended address register", self._write_ear, data=Data.IN),
            0x01: Instruction("write status register", self._write_status, data=Data.IN),
            0xB7: Instruction("enter 4-byte mode", lambda: self._set_four_byte(True)),
            0xE9: Instruction("exit 4-byte mode", lambda: self._set_four_byte(False)),
            0x35: Instruction("enter QPI", self._enter_qpi, protocols=_SPI_ONLY),
            0xF5: Instruction("exit QPI", self._exit_qpi, protocols=_QPI_ONLY),
        }
        for opcode, opcode_4b, read in (
            (0x03, 0x13, _spi_only(self.array_read("read", (1, 1), 0, 0))),
            (0x0B, 0x0C, _spi_only(self.array_read("fast read", (1, 1), 0, 8))),
            (0x3B, 0x3C, _spi_only(self.array_read("dual read", (1, 2), 0, 8))),
            (0xBB, 0xBC, _spi_only(self.array_read("2 x I/O read", (2, 2), 0, 4))),
            (0x6B, 0x6C, _spi_only(self.array_read("quad read", (1, 4), 0, 8, quad=True))),
            (0xEB, 0xEC, self.array_read("4 x I/O read", (4, 4), 2, 4, quad=True)),
            (0x02, 0x12, self.page_program("page program", (1, 1))),
            (0x38, 0x3E, _spi_only(self.page_program("4 x I/O page program", (4, 4), quad=True))),
        ):
            table[opcode] = read
            if self.large:
                table[opcode_4b] = replace(read, name=f"{read.name}, 4-byte address", address=4)
        if not self.large:
            for opcode in (0xB7, 0xE9, 0xC5, 0xC8):
                del table[opcode]
        return table

    def _jedec(self) -> bytes:
        return self.options.jedec_id or self.part.jedec_id

    def _configuration(self) -> int:
        return self.cr | (_CR_4BYTE if self.four_byte else 0)

    def _power_down(self) -> None:
        self.powered_down = True

    def _release(self) -> None:
        if self.powered_down:
            self.powered_down = False
            self._deaf_until_ps = self.at_ps + _WAKE_US * PS_PER_US

    def _write_ear(self) -> None:
        if self.write_enabled and len(self.data) == 1:
            self.ear = self.data[0]
            self.write_enabled = False

    def _write_status(self) -> None:
        """One byte for the status register, a second one for the configuration register.

        WP# locks it while SRWD = 1, but is a data line with QE = 1 or in QPI (AN0251 section 4).
        """
        if not self.write_enabled or not 1 <= len(self.data) <= 2:
            return
        wp_counts = not self.quad_enabled and self.protocol is not Protocol.QPI
        if self.sr & _SRWD and self.wp_low and wp_counts:
            return
        self.sr = self.nv["sr"] = self.quad_kept(self.data[0] & 0xFC)
        if len(self.data) == 2:
            self.cr = self.data[1] & ~_CR_4BYTE | self.cr & _CR_TB  # TB is OTP
            self.nv["cr"] |= self.cr & _CR_TB
        self.dirty = True
        self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, lambda: None)

    # Program and erase.

    def protected(self, start: int, size: int) -> bool:
        """BP3-0: 2^(BP-1) blocks of 64 KiB from the top, from the bottom with TB (nor-behaviour.md 3)."""
        bp = self.sr >> 2 & 15
        if bp == 0:
            return False
        length = min(_BLOCK << (bp - 1), self.size)
        low, high = (0, length) if self.cr & _CR_TB else (self.size - length, self.size)
        return start < high and start + size > low

    def refused(self, kind: str) -> None:
        """Ignored, and WEL clears (MX)."""
        self.write_enabled = False

    def recovery_us(self, cut_off: Operation | None) -> int:
        if cut_off is None:
            return self.part.reset_us
        unit = cut_off.size if cut_off.kind == "erase" and cut_off.size < self.size else 0
        return _RECOVERY_US[cut_off.kind, unit]

    def begin(self, kind: str, start: int, size: int, took_ps: int, finish: Callable[[], None]) -> None:
        """The next program or erase puts its own fail bit back to 0 (unverified)."""
        self.security &= ~{"erase": _E_FAIL, "program": _P_FAIL}.get(kind, 0)
        super().begin(kind, start, size, took_ps, finish)

    def failed(self, kind: str) -> None:
        self.security |= _E_FAIL if kind == "erase" else _P_FAIL


def _spi_only(instruction: Instruction) -> Instruction:
    return replace(instruction, protocols=_SPI_ONLY)
