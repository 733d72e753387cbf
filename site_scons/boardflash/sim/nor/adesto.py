"""Adesto AT25QL (128 Mbit, 1.8 V): quad enable by JESD216 method S2B1v1.

The dump of AT25QL128A says QER 1: SR2 goes as second byte of 01h, and a 01h of ONE byte clears SR2
(sfdp.md section 3). Modelled no kinder than that: there is no 31h. The rest is as on Winbond, whose
register bits flashrom gives this part (chips.toml).
"""

from __future__ import annotations

from boardflash.sim.nor.framing import Instruction
from boardflash.sim.nor.winbond import Winbond


class Adesto(Winbond):
    def _table(self) -> dict[int, Instruction]:
        table = super()._table()
        for opcode in (0x31, 0x11, 0x15, 0x36, 0x39, 0x3D, 0x7E, 0x98):  # no third register, no block locks
            del table[opcode]
        return table

    def _write_sr1(self) -> None:
        if 1 <= len(self.data) <= 2:
            second = self.data[1] if len(self.data) == 2 else 0
            self._write_registers({"sr1": self.data[0], "sr2": second})
