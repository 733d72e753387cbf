"""Parts that no vendor sells: the letter of JESD216F where no real part of the reference facts shows it.

BFPT DWORD 15 bits 22:20 = 011b, S2B7: quad enable is bit 7 of status register 2, which is written by 3Eh
with one byte and read by 3Fh. Everything else is taken from the Winbond model: one-byte 01h for SR1.
"""

from __future__ import annotations

from dataclasses import replace

from boardflash.sim.nor.framing import Instruction
from boardflash.sim.nor.winbond import Winbond


class GenericS2B7(Winbond):
    quad_register = ("sr2", 0x80)

    def _table(self) -> dict[int, Instruction]:
        table = super()._table()
        read, write = table[0x35], table[0x31]
        for opcode in (0x35, 0x31, 0x11, 0x15, 0x36, 0x39, 0x3D, 0x7E, 0x98):
            del table[opcode]
        table[0x3F] = replace(read, source=self.repeated(lambda: bytes([self.sr2])))
        table[0x3E] = write
        return table

    def accepts(self, opcode: int, instruction: Instruction | None) -> bool:
        """50h holds for 3Eh as it does for 31h."""
        return super().accepts(0x31 if opcode == 0x3E else opcode, instruction)

    def _load(self) -> None:
        super()._load()
        self.sr2 = self.nv["sr2"]

    def _sr2_written(self, value: int) -> int:
        """No bit of SR2 but QE means anything; the others are kept as written."""
        return value

    def _write_sr1(self) -> None:
        if len(self.data) == 1:
            self._write_registers({"sr1": self.data[0]})

    def _registers_locked(self) -> bool:
        """SR2 has no lock bit; SRP as Winbond has it."""
        return bool(self.sr1 & 0x80) and not self.quad_enabled and self.wp_low

    def protected(self, start: int, size: int) -> bool:
        """By SR1 alone: there is no CMP."""
        low, high = self._protected_range()
        return start < high and start + size > low


class GenericS2B1v1(Winbond):
    """QER = 001b to the letter: no 35h either, so the host can only write, never look."""

    def _table(self) -> dict[int, Instruction]:
        table = super()._table()
        for opcode in (0x35, 0x31, 0x11, 0x15, 0x36, 0x39, 0x3D, 0x7E, 0x98):
            del table[opcode]
        return table

    def _write_sr1(self) -> None:
        if 1 <= len(self.data) <= 2:
            second = self.data[1] if len(self.data) == 2 else 0
            self._write_registers({"sr1": self.data[0], "sr2": second})
