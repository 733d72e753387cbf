"""Winbond W25Q256JV and up: 4-byte addressing by mode, by register and by opcodes of their own.

Implements W25Q256JV data sheet rev I as far as reference facts carry it (nor-behaviour.md sections 3, 5
and 7; chips.toml). What none of them states and is remembered from the data sheet is marked (unverified).
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.framing import Data, Instruction
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.winbond import Winbond

_BLOCK = 0x1_0000
_TB = 0x40  # of SR1; BP3-0 stand in bits 5:2
_ADP, _ADS = 0x02, 0x01  # of SR3
_NATIVE = {0x03: 0x13, 0x0B: 0x0C, 0x3B: 0x3C, 0xBB: 0xBC, 0x6B: 0x6C, 0xEB: 0xEC, 0x02: 0x12, 0x32: 0x34}


class WinbondLarge(Winbond):
    ear = 0

    def start(self, options: ChipOptions) -> None:
        super().start(replace(options, continuous_read=False))  # it has none, see mode_bits
        self.four_byte = self.four_byte or options.four_byte

    def power_up(self) -> None:
        super().power_up()
        self.ear = 0
        self.four_byte = bool(self.nv["sr3"] & _ADP)

    def _table(self) -> dict[int, Instruction]:
        table = super()._table()
        for opcode, native in _NATIVE.items():
            table[native] = replace(table[opcode], address=4, name=f"{table[opcode].name}, 4-byte address")
        for opcode in (0x3D, 0x36, 0x39):
            table[opcode] = replace(table[opcode], address=-1)
        table |= {
            0x15: self.register_read("read status register 3", lambda: self.sr3 & ~_ADS | self.four_byte),
            0xB7: Instruction("enter 4-byte mode", lambda: self._set_four_byte(True)),
            0xE9: Instruction("exit 4-byte mode", lambda: self._set_four_byte(False)),
            0xC8: Instruction(
                "read extended address register",
                source=self.repeated(lambda: bytes([self.ear])),
                data=Data.OUT,
            ),
            0xC5: Instruction("write extended address register", self._write_ear, data=Data.IN),
        }
        return table

    def effective_address(self) -> int:
        """In 3-byte mode the extended address register gives the upper byte."""
        assert self.instruction is not None
        if self.instruction.address == 4 or self.four_byte:
            return self.address
        return self.address | self.ear << 24

    def mode_bits(self, levels: bytes) -> None:
        """No continuous read is described (W256)."""

    def _write_ear(self) -> None:
        if self.write_enabled and len(self.data) == 1:
            self.ear = self.data[0]
            self.write_enabled = False

    def _sr3_written(self, value: int) -> int:
        return super()._sr3_written(value) | value & _ADP

    def _protected_range(self) -> tuple[int, int]:
        """BP3-0: 2^(BP-1) blocks of 64 KiB from the top, from the bottom with TB."""
        bp = self.sr1 >> 2 & 15
        if bp == 0:
            return 0, 0
        length = min(_BLOCK << (bp - 1), self.size)
        return (0, length) if self.sr1 & _TB else (self.size - length, self.size)
