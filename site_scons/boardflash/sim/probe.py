"""A simulated board behind a simulated J-Link, with its flash on disk: what `PROBE=sim` opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError, ExitCode
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.jlink import BoardTime, SimulatedJLink
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin, twin_names
from boardflash.state import state_dir


@dataclass(frozen=True)
class SimulatedProbe:
    library: SimulatedJLink
    time: BoardTime
    board: SimulatedBoard
    close: Callable[[], None]
    """Keeps the flash on disk."""


def simulated_probe(twin: str, serial: int, faults: Mapping[str, str]) -> SimulatedProbe:
    """The board of that serial number, powered up with the flash that it had when it was last used."""
    if Path(twin).suffix != ".toml" and twin not in twin_names():
        raise BoardflashError(
            f'no simulated board is named "{twin}"; choose one with --twin: {", ".join(twin_names())}',
            where="PROBE=sim",
            code=ExitCode.NO_PROBE,
        )
    state = BoardState.load(state_dir(), str(serial))
    faulty = with_faults(load_twin(twin), faults)
    board = SimulatedBoard(faulty.twin, state)
    library = SimulatedJLink({serial: board}, faults=faulty.wire)
    return SimulatedProbe(library, BoardTime(board), board, board.close)
