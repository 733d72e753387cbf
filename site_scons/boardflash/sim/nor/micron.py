"""Micron N25Q and MT25Q (3 V): extended SPI, dual and quad protocol, XIP, flag status register.

Implements the N25Q128A, N25Q256A and MT25QL256 datasheets as far as reference facts carry them
(nor-behaviour.md sections 2, 3, 5, 6 and 7). What none of them states and is remembered from the datasheet is
marked (unverified).
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.cells import PS_PER_US, Operation
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.framing import ADDRESS_BY_MODE, Data, Instruction, Protocol, Shape
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part
from boardflash.sim.target import VirtualClock

_SECTOR = 0x1_0000
_NVCR_WRITE_US = 200_000  # typical (memory of the datasheet)
_FSR_READY, _FSR_ERASE_SUSPENDED, _FSR_ERASE, _FSR_PROGRAM = 0x80, 0x40, 0x20, 0x10
_FSR_PROGRAM_SUSPENDED, _FSR_PROTECTION, _FSR_FOUR_BYTE = 0x04, 0x02, 0x01
_FSR_ERRORS = _FSR_ERASE | _FSR_PROGRAM | _FSR_PROTECTION
_XIP_AT_POWER_ON = {0: 0x0B, 1: 0x3B, 2: 0xBB, 3: 0x6B, 4: 0xEB}  # NVCR 11:9 (unverified)
# What takes four address bytes in every mode, on parts that have it (chips.toml MT25QL256ABA).
_NATIVE = {0x03: 0x13, 0x0B: 0x0C, 0x3B: 0x3C, 0xBB: 0xBC, 0x6B: 0x6C, 0xEB: 0xEC, 0x02: 0x12, 0x32: 0x34}
_SPI_ONLY = frozenset({Protocol.SPI})
_MULTI_ONLY = frozenset({Protocol.DPI, Protocol.QPI})
# The command table's columns (memory of the data sheets): instructions on two lines are none of the quad
# protocol's, those on four lines none of the dual one's. 0Bh and 02h are in all three.
_DUAL = frozenset({Protocol.SPI, Protocol.DPI})
_QUAD = frozenset({Protocol.SPI, Protocol.QPI})
# tSHSL3, back from a reset that cut a program or erase off (memory of N25Q's and MT25Q's tables; the later
# family has the same rows: IS25LX256 table 9.5). A subsector erase and register writes take their own time.
_RECOVERY_US = 30


class Micron(SerialNor):
    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__(part, clock, options)
        self.sr = part.registers["sr"]
        self.nvcr = part.registers["nvcr"]
        self.vcr = self.evcr = 0xFF
        self.fsr = self.ear = 0
        self.locks: dict[int, int] = {}
        self.begin_life()

    def start(self, options: ChipOptions) -> None:
        if options.four_byte and self.large:
            self.four_byte = True
        if options.qpi:
            self.evcr &= 0x7F
            self.protocol = Protocol.QPI
        if options.continuous_read:
            self.vcr &= ~0x08
            self.continuous = self.instructions.get(0xEB)
        self.work_left_over(options)

    # Registers.

    def nonvolatile(self) -> dict[str, int]:
        return {"sr": self.sr, "nvcr": self.nvcr}

    def load(self, registers: dict[str, int]) -> None:
        self.sr = registers.get("sr", self.sr) & 0xFC
        self.nvcr = registers.get("nvcr", self.nvcr)

    def power_up(self) -> None:
        super().power_up()
        nvcr = self.nvcr
        dummies = nvcr >> 12
        self.vcr = dummies << 4 | 0x0B
        self.evcr = 0xDF & ~(0 if nvcr & 0x10 else 0x10)  # bit 4 hold/reset; reset value DF
        self.fsr = 0
        self.ear = 0 if nvcr & 0x02 else (self.size >> 24) - 1  # which 16 MiB 3-byte addresses reach
        self.locks = {}
        self.four_byte = self.large and not nvcr & 0x01
        if not nvcr & 0x08:
            self.evcr &= 0x7F
        if not nvcr & 0x04:
            self.evcr &= 0xBF
        self._follow_evcr()
        xip = _XIP_AT_POWER_ON.get(nvcr >> 9 & 7)
        if xip is not None:
            self.vcr &= ~0x08
            self.continuous = self.instructions.get(xip)

    def _follow_evcr(self) -> None:
        """Bit 7 = 0 selects the quad protocol, bit 6 = 0 the dual one; quad wins (unverified)."""
        if not self.evcr & 0x80:
            self.protocol = Protocol.QPI
        elif not self.evcr & 0x40:
            self.protocol = Protocol.DPI
        else:
            self.protocol = Protocol.SPI

    def _status(self) -> int:
        return self.sr | self.write_enabled << 1 | self.busy

    def _flag_status(self) -> int:
        value = self.fsr | (0 if self.busy else _FSR_READY)
        if self.rests is not None:
            value |= _FSR_ERASE_SUSPENDED if self.rests.kind == "erase" else _FSR_PROGRAM_SUSPENDED
        if self.four_byte:
            value |= _FSR_FOUR_BYTE
        return value

    # The wire.

    @property
    def large(self) -> bool:
        """More than three address bytes reach."""
        return self.size > 1 << 24

    def effective_address(self) -> int:
        """In 3-byte mode the extended address register gives the upper byte."""
        assert self.instruction is not None
        if self.instruction.address == 4 or self.four_byte:
            return self.address
        return self.address | self.ear << 24

    def hold_enabled(self) -> bool:
        return bool(self.evcr & 0x10)

    def shape(self, instruction: Instruction) -> Shape:
        shape = super().shape(instruction)
        if not instruction.memory or instruction.dummy_clocks == 0:
            return shape
        clocks = self.vcr >> 4
        if clocks in (0, 15):  # "use the default"
            clocks = 10 if shape.address_lines == 4 else 8
        # The first dummy clock carries the XIP confirmation bit.
        return replace(shape, mode_clocks=1, dummy_clocks=clocks - 1)

    def mode_bits(self, levels: bytes) -> None:
        """XIP goes on if it is enabled (VCR bit 3 = 0) and DQ0 is 0 in the first dummy clock."""
        enabled = not self.vcr & 0x08
        self.continuous = self.instruction if enabled and not levels[0] & 1 else None

    # Instructions.

    def _table(self) -> dict[int, Instruction]:
        table = self.common_instructions()
        read_id = Instruction("read ID", source=self._id, data=Data.OUT, protocols=_SPI_ONLY)
        table |= {
            0x9E: read_id,
            0x9F: read_id,
            # 0 dummies; only in dual and quad protocol (ST header: three bytes)
            0xAF: Instruction(
                "multiple I/O read ID", source=self._short_id, data=Data.OUT, protocols=_MULTI_ONLY
            ),
            0x05: self.register_read("read status register", self._status),
            0x70: self.register_read("read flag status register", self._flag_status),
            0x85: self.register_read("read volatile configuration", lambda: self.vcr),
            0x65: self.register_read("read enhanced volatile configuration", lambda: self.evcr),
            0xB5: Instruction(
                "read non-volatile configuration",
                source=self.repeated(lambda: self.nvcr.to_bytes(2, "little")),
                data=Data.OUT,
            ),
            0x01: Instruction("write status register", self._write_status, data=Data.IN),
            0x50: Instruction("clear flag status register", self._clear_flags),
            0x81: Instruction("write volatile configuration", self._write_vcr, data=Data.IN),
            0x61: Instruction("write enhanced volatile configuration", self._write_evcr, data=Data.IN),
            0xB1: Instruction("write non-volatile configuration", self._write_nvcr, data=Data.IN),
            0xE8: Instruction(
                "read lock register",
                source=self.repeated(lambda: bytes([self.locks.get(self.address // _SECTOR, 0)])),
                data=Data.OUT,
                address=ADDRESS_BY_MODE,
            ),
            0xE5: Instruction("write lock register", self._write_lock, data=Data.IN, address=ADDRESS_BY_MODE),
            0x03: replace(self.array_read("read", (1, 1), 0, 0), protocols=_SPI_ONLY),
            0x0B: self.array_read("fast read", (1, 1), 1, 7),
            0x3B: replace(self.array_read("dual output fast read", (1, 2), 1, 7), protocols=_DUAL),
            0xBB: replace(self.array_read("dual I/O fast read", (2, 2), 1, 7), protocols=_DUAL),
            0x6B: replace(self.array_read("quad output fast read", (1, 4), 1, 7), protocols=_QUAD),
            0xEB: replace(self.array_read("quad I/O fast read", (4, 4), 1, 9), protocols=_QUAD),
            0x02: self.page_program("page program", (1, 1)),
            0xA2: replace(self.page_program("dual input fast program", (1, 2)), protocols=_DUAL),
            0xD2: replace(self.page_program("extended dual input fast program", (2, 2)), protocols=_DUAL),
            0x32: replace(self.page_program("quad input fast program", (1, 4)), protocols=_QUAD),
            0x12: replace(self.page_program("extended quad input fast program", (4, 4)), protocols=_QUAD),
        }
        if self.large:
            table |= {
                0xB7: Instruction("enter 4-byte mode", lambda: self._set_four_byte(True)),
                0xE9: Instruction("exit 4-byte mode", lambda: self._set_four_byte(False)),
                0xC8: Instruction(
                    "read extended address register",
                    source=self.repeated(lambda: bytes([self.ear])),
                    data=Data.OUT,
                ),
                0xC5: Instruction("write extended address register", self._write_ear, data=Data.IN),
            }
        if "second_generation" in self.part.features:  # MT25Q: 12h is no quad program any more
            table[0x38] = table.pop(0x12)
            if self.large:
                table[0x3E] = replace(table[0x38], address=4)
                table |= {native: replace(table[opcode], address=4) for opcode, native in _NATIVE.items()}
            table[0x35] = Instruction("enter quad protocol", lambda: self._set_quad_protocol(True))
            table[0xF5] = Instruction("exit quad protocol", lambda: self._set_quad_protocol(False))
        return table

    def _set_four_byte(self, on: bool) -> None:
        """Needs WREN (nor-behaviour.md section 2), which it uses up (unverified)."""
        if self.write_enabled:
            self.four_byte = on
            self.write_enabled = False

    def _set_quad_protocol(self, on: bool) -> None:
        self.evcr = self.evcr & 0x7F if on else self.evcr | 0x80
        self._follow_evcr()

    def _write_ear(self) -> None:
        if self.write_enabled and len(self.data) == 1:
            self.ear = self.data[0]
            self.write_enabled = False

    def _id(self, first: int, count: int) -> bytes:
        """Three bytes, length 10h, extended ID, customer data; then nothing is driven (unverified)."""
        jedec = self.options.jedec_id or self.part.jedec_id
        unique = (self.options.unique_id or bytes(14))[:14].ljust(14, b"\0")
        answer = jedec + unique if len(jedec) > 3 else jedec
        return answer[first : first + count] + b"\xff" * max(0, count - max(0, len(answer) - first))

    def _short_id(self, first: int, count: int) -> bytes:
        answer = (self.options.jedec_id or self.part.jedec_id)[:3]
        return answer[first : first + count] + b"\xff" * max(0, count - max(0, len(answer) - first))

    def _write_status(self) -> None:
        """One byte. SRWD = 1 with W# low (DQ2 in one-line phases) locks the register."""
        if not self.write_enabled or len(self.data) != 1:
            return
        if self.sr & 0x80 and self.wp_low and self.protocol is not Protocol.QPI:
            return
        self.sr = self.data[0] & 0xFC
        self.dirty = True
        self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, _nothing)

    def _write_nvcr(self) -> None:
        if self.write_enabled and len(self.data) == 2:
            self.nvcr = int.from_bytes(self.data, "little")
            self.dirty = True
            self.begin("register", 0, 0, _NVCR_WRITE_US * PS_PER_US, _nothing)

    def _write_vcr(self) -> None:
        if self.write_enabled and len(self.data) == 1:
            self.vcr = self.data[0]
            self.write_enabled = False

    def _write_evcr(self) -> None:
        if self.write_enabled and len(self.data) == 1:
            self.evcr = self.data[0]
            self.write_enabled = False
            self._follow_evcr()

    def _write_lock(self) -> None:
        """Bit 0 locks the 64 KiB sector, bit 1 locks the lock until power-up (unverified)."""
        sector = self.address % self.size // _SECTOR
        if self.write_enabled and len(self.data) == 1:
            if not self.locks.get(sector, 0) & 2:
                self.locks[sector] = self.data[0] & 3
            self.write_enabled = False

    def _clear_flags(self) -> None:
        self.fsr = 0

    def recovery_us(self, cut_off: Operation | None) -> int:
        if cut_off is None:
            return self.part.reset_us
        if cut_off.kind == "register" or (cut_off.kind == "erase" and cut_off.size < _SECTOR):
            return cut_off.took_ps // PS_PER_US
        return _RECOVERY_US

    # Program and erase.

    def may_work(self) -> bool:
        """After an error nothing is programmed or erased until 50h clears it."""
        return self.write_enabled and not self.fsr & _FSR_ERRORS

    def protected(self, start: int, size: int) -> bool:
        first, last = start // _SECTOR, (start + size - 1) // _SECTOR
        if any(self.locks.get(sector, 0) & 1 for sector in range(first, last + 1)):
            return True
        bp = self.sr >> 2 & 7 | (self.sr >> 6 & 1) << 3
        if bp == 0:
            return False
        length = min(_SECTOR << (bp - 1), self.size)
        bottom = self.sr & 0x20
        low, high = (0, length) if bottom else (self.size - length, self.size)
        return start < high and start + size > low

    def refused(self, kind: str) -> None:
        """WEL stays; the flag status register tells (MT25Q datasheet p. 66, the same in Linux)."""
        self.fsr |= _FSR_PROTECTION | (_FSR_ERASE if kind == "erase" else _FSR_PROGRAM)

    def failed(self, kind: str) -> None:
        self.fsr |= _FSR_ERASE if kind == "erase" else _FSR_PROGRAM


def _nothing() -> None:
    """A register is written when its time begins; only the time is left."""
