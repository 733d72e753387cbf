"""Microchip SST26VF: every block locked from power-up on, configuration register with IOC.

Implements SST26VF064B as far as reference facts carry it (nor-behaviour.md section 3, chips.toml, its SFDP
dump). What none of them states and is remembered from the data sheet is marked (unverified).
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.cells import PS_PER_US, Operation
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.framing import ADDRESS_BY_MODE, Data, Instruction, Protocol
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import Part
from boardflash.sim.target import VirtualClock

_IOC = 0x02
_SPI_ONLY = frozenset({Protocol.SPI})
_QPI_ONLY = frozenset({Protocol.QPI})
_KIB = 1024


class Sst26(SerialNor):
    """The block-protection register is one lock here: power-up sets all of it, 98h clears all of it."""

    quad_register = ("config", _IOC)

    def __init__(self, part: Part, clock: VirtualClock, options: ChipOptions) -> None:
        super().__init__(part, clock, options)
        self.nv = dict(part.registers)
        self.config = 0
        self.locked = True
        self.begin_life()

    def start(self, options: ChipOptions) -> None:
        if options.qpi:
            self.protocol = Protocol.QPI
        if options.continuous_read:
            self.continuous = self.instructions.get(0xEB)
        self.work_left_over(options)

    def nonvolatile(self) -> dict[str, int]:
        return dict(self.nv)

    def load(self, registers: dict[str, int]) -> None:
        self.nv |= {name: registers[name] for name in self.nv if name in registers}
        self.nv["config"] = self.quad_kept(self.nv["config"])

    def power_up(self) -> None:
        """IOC is volatile and 0 (memory: but for parts ordered with it set); so are the locks, all set."""
        super().power_up()
        self.config = self.nv["config"]
        self.locked = True

    def _status(self) -> int:
        """Bit 7 repeats BUSY, bit 1 is WEL (unverified)."""
        return self.busy << 7 | self.write_enabled << 1 | self.busy

    @property
    def quad_enabled(self) -> bool:
        return bool(self.config & _IOC)

    def hold_enabled(self) -> bool:
        return not self.quad_enabled

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        if not super().accepts(opcode, instruction):
            return False
        assert instruction is not None
        return not instruction.quad or self.quad_enabled or self.protocol is Protocol.QPI

    def mode_bits(self, levels: bytes) -> None:
        """Axh goes on without opcode (dump: 0-4-4 entry by Axh)."""
        self.continuous = self.instruction if len(levels) == 2 and levels[0] & 15 == 0xA else None

    def _table(self) -> dict[int, Instruction]:
        table = self.common_instructions()
        del table[0x75], table[0x7A]
        table[0xB0] = Instruction("suspend", self._suspend, while_busy=True)
        table[0x30] = Instruction("resume", self._resume)
        table |= {
            0x05: self.register_read("read status register", self._status),
            0x35: self.register_read("read configuration register", lambda: self.config),
            0x01: Instruction("write status and configuration register", self._write_status, data=Data.IN),
            0x98: Instruction("global block-protection unlock", self._unlock),
            0xD8: Instruction("erase block", self._erase_block, address=ADDRESS_BY_MODE),
            0x9F: Instruction(
                "read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_SPI_ONLY
            ),
            0xAF: Instruction(
                "QPI read ID", source=self.repeated(self._jedec), data=Data.OUT, protocols=_QPI_ONLY
            ),
            0x38: Instruction("enter QPI", self._enter_qpi, protocols=_SPI_ONLY),
            0xFF: Instruction("exit QPI", self._exit_qpi, protocols=_QPI_ONLY),
            0x03: replace(self.array_read("read", (1, 1), 0, 0), protocols=_SPI_ONLY),
            0x0B: replace(self.array_read("fast read", (1, 1), 0, 8), protocols=_SPI_ONLY),
            0x3B: replace(self.array_read("dual output read", (1, 2), 0, 8), protocols=_SPI_ONLY),
            0x6B: replace(self.array_read("quad output read", (1, 4), 0, 8, quad=True), protocols=_SPI_ONLY),
            0xEB: replace(self.array_read("quad I/O read", (4, 4), 2, 4, quad=True), protocols=_SPI_ONLY),
            0x02: self.page_program("page program", (1, 1)),
            0x32: replace(self.page_program("quad page program", (1, 4), quad=True), protocols=_SPI_ONLY),
        }
        return table

    def recovery_us(self, cut_off: Operation | None) -> int:
        """100 us after a program, 1 ms after an erase (memory: TR(p) and TR(e) of the data sheet)."""
        return self.part.reset_us if cut_off is None else 1000 if cut_off.kind == "erase" else 100

    def _jedec(self) -> bytes:
        return self.options.jedec_id or self.part.jedec_id

    def _write_status(self) -> None:
        """The second byte goes to the configuration register; without it nothing changes."""
        if not self.write_enabled or not 1 <= len(self.data) <= 2:
            return
        if len(self.data) == 2:
            self.config = self.quad_kept(self.data[1] & _IOC)
        self.begin("register", 0, 0, self.part.register_write_us * PS_PER_US, lambda: None)

    def _unlock(self) -> None:
        if self.write_enabled:
            self.locked = False
            self.write_enabled = False

    def protected(self, start: int, size: int) -> bool:
        return self.locked

    def _erase_block(self) -> None:
        """8, 32 or 64 KiB, by the address (sector map of the dump)."""
        address = self.effective_address() % self.size
        edge = min(address, self.size - 1 - address)
        unit = 8 * _KIB if edge < 32 * _KIB else 32 * _KIB if edge < 64 * _KIB else 64 * _KIB
        typ_us = next(erase.typ_us for erase in self.part.erases)
        self._erase(address // unit * unit, unit, typ_us)
