"""Winbond W25Q-JV (128 Mbit): three status registers, quad enable, block and sector protection.

Implements W25Q128JV as far as reference facts carry it (nor-behaviour.md sections 2, 3, 6 and 7).
What none of them states and is remembered from the datasheet is marked (unverified).
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.cells import PS_PER_US
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.framing import Data, Instruction, Protocol, Shape
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part
from boardflash.sim.target import VirtualClock

_BLOCK, _SECTOR = 0x1_0000, 0x1000
_SRP, _SEC, _TB = 0x80, 0x40, 0x20
_SUS, _CMP, _LB, _QE, _SRL = 0x80, 0x40, 0x38, 0x02, 0x01
_HOLD_RST, _DRV, _WPS = 0x80, 0x60, 0x04
_WAKE_US = 3  # tRES1, tDP (W256)
_QPI_DUMMIES = (2, 4, 6, 8)  # C0h P5-P4 (unverified)
_SPI_ONLY = frozenset({Protocol.SPI})
_QPI_ONLY = frozenset({Protocol.QPI})


class Winbond(SerialNor):
    quad_register = ("sr2", _QE)

    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__(part, clock, options)
        self.qe_fixed = "qe_fixed" in part.features
        self.nv = dict(part.registers)
        self.sr1 = self.sr2 = self.sr3 = 0
        self.read_parameters = 0
        self.locks: set[int] = set()
        self._volatile_write = False
        self.begin_life()

    def start(self, options: ChipOptions) -> None:
        if options.qpi and "qpi" in self.part.features:
            self.protocol = Protocol.QPI
        if options.continuous_read:
            self.continuous = self.instructions.get(0xEB)
        self.powered_down = options.deep_power_down
        self.work_left_over(options)

    # Registers.

    def nonvolatile(self) -> dict[str, int]:
        return dict(self.nv)

    def load(self, registers: dict[str, int]) -> None:
        self.nv |= {name: registers[name] for name in self.nv if name in registers}
        if self.qe_fixed:
            self.nv["sr2"] |= _QE
        self.nv["sr2"] = self.quad_kept(self.nv["sr2"])

    def _load(self) -> None:
        self.sr1, self.sr2, self.sr3 = self.nv["sr1"] & 0xFC, self.nv["sr2"] & 0x7F, self.nv["sr3"]

    def power_up(self) -> None:
        super().power_up()
        self._load()
        self.read_parameters = 0
        self._volatile_write = False
        self.locks = set(self._lock_units())  # all individual locks are 1 after power-up (W256)

    def _status1(self) -> int:
        return self.sr1 | self.write_enabled << 1 | self.busy

    def _status2(self) -> int:
        return self.sr2 | (_SUS if self.rests is not None else 0)

    # The wire.

    @property
    def quad_enabled(self) -> bool:
        return bool(self.sr2 & self.quad_register[1])

    def hold_enabled(self) -> bool:
        """With QE = 0, IO3 is HOLD# (SR3 HOLD/RST = 0, as delivered)."""
        return not self.quad_enabled and not self.sr3 & _HOLD_RST

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        volatile, self._volatile_write = self._volatile_write, False
        if not super().accepts(opcode, instruction):
            return False
        assert instruction is not None
        if instruction.quad and not self.quad_enabled:
            return False
        if opcode in (0x01, 0x31, 0x11):
            self._volatile_write = volatile  # 50h counts for the very next instruction
        return True

    def shape(self, instruction: Instruction) -> Shape:
        shape = super().shape(instruction)
        if self.protocol is not Protocol.QPI or not instruction.memory:
            return shape
        # In QPI the mode clocks count among the dummy clocks that C0h sets (SFDP 4-4-4: 2 + 0).
        total = _QPI_DUMMIES[self.read_parameters >> 4 & 3]
        return replace(shape, dummy_clocks=total - shape.mode_clocks)

    def mode_bits(self, levels: bytes) -> None:
        """M5-4 = 10b: the next instruction comes without its opcode (W128)."""
        per_clock = 4 if len(levels) == 2 else 2
        bits = 0
        for level in levels:
            bits = bits << per_clock | level & (1 << per_clock) - 1
        self.continuous = self.instruction if bits & 0x30 == 0x20 else None

    # Instructions.

    def _table(self) -> dict[int, Instruction]:
        table = self.common_instructions()
        table |= {
            0x50: Instruction("write enable for volatile status registers", self._enable_volatile),
            0x05: self.register_read("read status register 1", self._status1),
            0x35: self.register_read("read status register 2", self._status2),
            0x15: self.register_read("read status register 3", lambda: self.sr3),
            0x01: Instruction("write status register 1", self._write_sr1, data=Data.IN),
            0x31: Instruction("write status register 2", self._write_sr2, data=Data.IN),
            0x11: Instruction("write status register 3", self._write_sr3, data=Data.IN),
            0x9F: Instruction("read JEDEC ID", source=self.repeated(self._jedec), data=Data.OUT),
            0x90: Instruction(
                "read manufacturer and device ID",
                source=self._legacy_id,
                data=Data.OUT,
                address=3,
            ),
            0xAB: Instruction(
                "release power-down, read device ID",
                self._release,
                source=self.repeated(lambda: bytes([self._device_id()])),
                data=Data.OUT,
                dummy_bytes=3,
                incomplete_runs=True,
            ),
            0xB9: Instruction("power-down", self._power_down),
            0x4B: Instruction(
                "read unique ID",
                source=self._unique_id,
                data=Data.OUT,
                dummy_clocks=32,
                protocols=_SPI_ONLY,
            ),
            0x3D: Instruction(
                "read block lock",
                source=self.repeated(lambda: bytes([self._lock_unit(self.address) in self.locks])),
                data=Data.OUT,
                address=3,
            ),
            0x36: Instruction("lock block", self._lock, address=3),
            0x39: Instruction("unlock block", self._unlock, address=3),
            0x7E: Instruction("lock all", self._lock_all),
            0x98: Instruction("unlock all", self._unlock_all),
            0x03: replace(self.array_read("read", (1, 1), 0, 0), protocols=_SPI_ONLY),
            0x0B: self.array_read("fast read", (1, 1), 0, 8),
            0x3B: replace(self.array_read("dual output read", (1, 2), 0, 8), protocols=_SPI_ONLY),
            0xBB: replace(self.array_read("dual I/O read", (2, 2), 4, 0), protocols=_SPI_ONLY),
            0x6B: replace(self.array_read("quad output read", (1, 4), 0, 8, quad=True), protocols=_SPI_ONLY),
            0xEB: self.array_read("quad I/O read", (4, 4), 2, 4, quad=True),
            0x02: self.page_program("page program", (1, 1)),
            0x32: replace(self.page_program("quad page program", (1, 4), quad=True), protocols=_SPI_ONLY),
        }
        if "qpi" in self.part.features:
            table |= {
                0x38: Instruction("enter QPI", self._enter_qpi, quad=True, protocols=_SPI_ONLY),
                0xFF: Instruction("exit QPI", self._exit_qpi, protocols=_QPI_ONLY),
                0xC0: Instruction(
                    "set read parameters", self._set_parameters, data=Data.IN, protocols=_QPI_ONLY
                ),
            }
        return table

    def _jedec(self) -> bytes:
        return self.options.jedec_id or self.part.jedec_id

    def _device_id(self) -> int:
        return self._jedec()[2] - 1  # 17h for a 40 18 part, as 15h for 40 16 (W25Q32FV recording)

    def _legacy_id(self, first: int, count: int) -> bytes:
        """Address bit 0 picks which of the two comes first (unverified)."""
        pair = bytes([self._jedec()[0], self._device_id()])
        turn = first + self.address & 1
        return (pair * (count // 2 + 2))[turn : turn + count]

    def _unique_id(self, first: int, count: int) -> bytes:
        unique = (self.options.unique_id or bytes.fromhex("D1 66 0C 71 43 2F 5A 28"))[:8].ljust(8, b"\0")
        return (unique * (count // 8 + 2))[first % 8 : first % 8 + count]

    def _enable_volatile(self) -> None:
        self._volatile_write = True

    def _write_sr1(self) -> None:
        """One byte leaves SR2 alone (JV; "previous generations" clear it)."""
        if len(self.data) == 1:
            self._write_registers({"sr1": self.data[0]})
        elif len(self.data) == 2:
            self._write_registers({"sr1": self.data[0], "sr2": self.data[1]})

    def _write_sr2(self) -> None:
        if len(self.data) == 1:
            self._write_registers({"sr2": self.data[0]})

    def _write_sr3(self) -> None:
        if len(self.data) == 1:
            self._write_registers({"sr3": self.data[0]})

    def _write_registers(self, values: dict[str, int]) -> None:
        volatile, self._volatile_write = self._volatile_write, False
        if not (volatile or self.write_enabled) or self._registers_locked():
            return
        present = {"sr1": self.sr1, "sr2": self.sr2, "sr3": self.sr3}
        for name, value in values.items():
            if name == "sr1":
                value &= 0xFC
            elif name == "sr2":
                value = self.quad_kept(self._sr2_written(value))
            else:
                value = self._sr3_written(value)
            present[name] = value
        self.sr1, self.sr2, self.sr3 = present["sr1"], present["sr2"], present["sr3"]
        if not volatile:
            self.nv = present
            self.dirty = True
            self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, _nothing)

    def _sr2_written(self, value: int) -> int:
        value = value & (_CMP | _LB | _QE | _SRL) | self.sr2 & _LB  # LB bits are OTP
        return value | _QE if self.qe_fixed else value

    def _sr3_written(self, value: int) -> int:
        return value & (_HOLD_RST | _DRV | _WPS)

    def _registers_locked(self) -> bool:
        """SRL: until the next power-up. SRP: while WP# is low, which with QE = 1 is no WP# (W256)."""
        if self.sr2 & _SRL:
            return True
        return bool(self.sr1 & _SRP) and not self.quad_enabled and self.wp_low

    def _power_down(self) -> None:
        self.powered_down = True
        self._deaf_until_ps = self.at_ps + _WAKE_US * PS_PER_US

    def _release(self) -> None:
        if self.powered_down:
            self.powered_down = False
            self._deaf_until_ps = self.at_ps + _WAKE_US * PS_PER_US

    def _set_parameters(self) -> None:
        if len(self.data) == 1:
            self.read_parameters = self.data[0]

    # Protection.

    def protected(self, start: int, size: int) -> bool:
        """Silently not executed; no error bit exists."""
        if self.sr3 & _WPS:
            return any(self._lock_unit(a) in self.locks for a in range(start, start + size, _SECTOR))
        low, high = self._protected_range()
        if self.sr2 & _CMP:
            return start < low or start + size > high
        return start < high and start + size > low

    def _protected_range(self) -> tuple[int, int]:
        """SEC, TB, BP2-0: 1/64 of the chip and doubling, or 4 KiB to 32 KiB; from the top or bottom."""
        bp = self.sr1 >> 2 & 7
        if bp == 0:
            return 0, 0
        if bp == 7:
            return 0, self.size
        if self.sr1 & _SEC:
            length = min(_SECTOR << (bp - 1), 8 * _SECTOR)
        else:
            length = self.size // 64 << (bp - 1)
        return (0, length) if self.sr1 & _TB else (self.size - length, self.size)

    def _lock_unit(self, address: int) -> int:
        """Sectors in the first and last 64 KiB block, blocks in between (W256)."""
        address %= self.size
        ends = address < _BLOCK or address >= self.size - _BLOCK
        return address // _SECTOR * _SECTOR if ends else address // _BLOCK * _BLOCK

    def _lock_units(self) -> list[int]:
        return sorted({self._lock_unit(a) for a in range(0, self.size, _SECTOR)})

    def _lock(self) -> None:
        if self.write_enabled:
            self.locks.add(self._lock_unit(self.address))
            self.write_enabled = False

    def _unlock(self) -> None:
        if self.write_enabled:
            self.locks.discard(self._lock_unit(self.address))
            self.write_enabled = False

    def _lock_all(self) -> None:
        if self.write_enabled:
            self.locks = set(self._lock_units())
            self.write_enabled = False

    def _unlock_all(self) -> None:
        if self.write_enabled:
            self.locks.clear()
            self.write_enabled = False


def _nothing() -> None:
    """A register is written when its time begins; only the time is left."""
