"""Serial NOR flash chips of the simulated board, modelled from their datasheets' rules.

`create_chip` is the door: it reads the part's facts (TOML beside this file) and picks the vendor's
model. What a chip is, and what it was told at start, stands in `chip.py` and `options.py`.
"""

from __future__ import annotations

from boardflash.sim.nor.chip import NorChip
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.target import VirtualClock

__all__ = ["ChipOptions", "NorChip", "create_chip"]


def create_chip(name: str, clock: VirtualClock, options: ChipOptions | None = None) -> NorChip:
    """The chip `name` ("N25Q128A13", "W25Q128JV-IQ", "W25Q128JV-IM"), powered up in its start state."""
    raise NotImplementedError
