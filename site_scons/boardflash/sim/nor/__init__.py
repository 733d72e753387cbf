"""Serial NOR flash chips of the simulated board, modelled from their datasheets' rules.

`create_chip` is the door: it reads the part's facts (`parts/*.toml`) and picks the vendor's model. What
the bus and the board see of a chip stands in `chip.py`; its start state and faults in `options.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from boardflash.sim.nor.adesto import Adesto
from boardflash.sim.nor.chip import NorChip
from boardflash.sim.nor.core import SerialNor
from boardflash.sim.nor.generic import GenericS2B1v1, GenericS2B7
from boardflash.sim.nor.gigadevice import GigaDevice
from boardflash.sim.nor.issi import Issi
from boardflash.sim.nor.macronix import Macronix
from boardflash.sim.nor.micron import Micron
from boardflash.sim.nor.options import ChipOptions, StuckBit
from boardflash.sim.nor.part import Part, load_part, part_names
from boardflash.sim.nor.sst26 import Sst26
from boardflash.sim.nor.winbond import Winbond
from boardflash.sim.nor.winbond_large import WinbondLarge
from boardflash.sim.target import VirtualClock

__all__ = ["ChipOptions", "NorChip", "StuckBit", "create_chip", "part_names"]

_VENDORS: dict[str, Callable[[Part, VirtualClock, ChipOptions], SerialNor]] = {
    "adesto": Adesto,
    "generic-s2b1v1": GenericS2B1v1,
    "generic-s2b7": GenericS2B7,
    "gigadevice": GigaDevice,
    "issi": Issi,
    "macronix": Macronix,
    "micron": Micron,
    "sst26": Sst26,
    "winbond": Winbond,
    "winbond-large": WinbondLarge,
}


def create_chip(name: str, clock: VirtualClock, options: ChipOptions | None = None) -> NorChip:
    """The chip of that order number ("N25Q128A13ESE40", "W25Q128JV-IQ"), powered up in its start state."""
    part = load_part(name)
    return _VENDORS[part.vendor](part, clock, options or ChipOptions())
