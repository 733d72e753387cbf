"""GigaDevice GD25Q (128 Mbit): the status registers of Winbond, each written alone.

Implements GD25Q128E as far as reference facts carry it (nor-behaviour.md section 3; chips.toml: 01h, 31h
and 11h in the data sheet's index). What none of them states is marked (unverified).
"""

from __future__ import annotations

from boardflash.sim.nor.cells import Operation
from boardflash.sim.nor.winbond import Winbond


class GigaDevice(Winbond):
    """SR1 bits 6:2 are BP4-0: BP4 and BP3 stand for Winbond's SEC and TB, with their meaning (unverified)."""

    def _write_sr1(self) -> None:
        """One byte; with a second CS# does not rise where it must, and nothing is written (unverified)."""
        if len(self.data) == 1:
            self._write_registers({"sr1": self.data[0]})

    def recovery_us(self, cut_off: Operation | None) -> int:
        """tRST: 12 ms where an erase was cut off, else the same as for an idle chip (unverified)."""
        return 12_000 if cut_off is not None and cut_off.kind == "erase" else self.part.reset_us

    def _sr3_written(self, value: int) -> int:
        """No individual block locks, so no WPS; DRV and HOLD/RST as Winbond has them (unverified)."""
        return super()._sr3_written(value) & ~0x04
