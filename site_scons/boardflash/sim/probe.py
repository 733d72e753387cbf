"""A simulated board behind a simulated J-Link, with its flash on disk: what `PROBE=sim` opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from boardflash.errors import BoardflashError
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.jlink import BoardTime, SimulatedJLink
from boardflash.sim.jlink_wire import LinkFaults
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from boardflash.state import state_dir


@dataclass(frozen=True)
class SimulatedProbe:
    library: SimulatedJLink
    time: BoardTime
    board: SimulatedBoard
    save: Callable[[], None]


def simulated_probe(twin: str, serial: int, faults: Mapping[str, str]) -> SimulatedProbe:
    """The board of that serial number, powered up with the flash that it had when it was last used."""
    state = BoardState.load(state_dir(), str(serial))
    board = SimulatedBoard(load_twin(twin), state)
    library = SimulatedJLink({serial: board}, faults=_link_faults(faults))
    return SimulatedProbe(library, BoardTime(board), board, state.save)


def _link_faults(faults: Mapping[str, str]) -> LinkFaults:
    """The faults of the wire, by the names of `LinkFaults`: `cable_pulled_at=40`."""
    known = {field.name for field in fields(LinkFaults)}
    numbers = {}
    for name, value in faults.items():
        if name not in known:
            raise BoardflashError(f"no such fault; there are {', '.join(sorted(known))}", where=name)
        if not value.isdecimal():
            raise BoardflashError(f'"{value}": expected a number of calls', where=name)
        numbers[name] = int(value)
    return LinkFaults(**numbers)
