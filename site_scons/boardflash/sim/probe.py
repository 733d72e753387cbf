"""A simulated board behind a simulated J-Link, with its flash on disk: what `PROBE=sim` opens."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError, ExitCode
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import Faulty, with_faults
from boardflash.sim.jlink import BoardTime, SimulatedJLink
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin, twin_names
from boardflash.state import state_dir

#: The exit status of a shell for a process that SIGKILL ended.
KILLED = 128 + 9
#: A board that has lost its host works off what its loader's rings still hold: looked at in steps.
STEP_PS = 50_000_000_000
QUIET_STEPS = 3
STEPS_AT_MOST = 8000


@dataclass(frozen=True)
class SimulatedProbe:
    library: SimulatedJLink
    time: BoardTime
    board: SimulatedBoard
    close: Callable[[], None]
    """Keeps the flash on disk."""


def simulated_board(
    twin: str, serial: int, faults: Mapping[str, str], *, where: str = "PROBE=sim"
) -> tuple[SimulatedBoard, Faulty]:
    """The board of that serial number, powered up with the flash that it had when it was last used.

    With it the faults and costs of the J-Link's wire, for whoever has such a wire.
    """
    if Path(twin).suffix != ".toml" and twin not in twin_names():
        raise BoardflashError(
            f'no simulated board is named "{twin}"; choose one with --twin: {", ".join(twin_names())}',
            where=where,
            code=ExitCode.NO_PROBE,
        )
    state = BoardState.load(state_dir(), str(serial))
    faulty = with_faults(load_twin(twin), faults)
    return SimulatedBoard(faulty.twin, state), faulty


def simulated_probe(twin: str, serial: int, faults: Mapping[str, str]) -> SimulatedProbe:
    """The same behind a J-Link."""
    board, faulty = simulated_board(twin, serial, faults)

    def close() -> None:
        if faulty.wire.unplug_at_call:
            _go_on_alone(board)
        board.close()

    def killed() -> None:
        _go_on_alone(board)
        board.close()
        os._exit(KILLED)

    library = SimulatedJLink({serial: board}, costs=faulty.costs, faults=faulty.wire, on_kill=killed)
    return SimulatedProbe(library, BoardTime(board), board, close)


def _go_on_alone(board: SimulatedBoard) -> None:
    """The board keeps its power: erases and programs that its loader has in hand come to their end."""
    quiet = 0
    for _ in range(STEPS_AT_MOST):
        board.advance(STEP_PS)
        board.chip.settle(board.clock.now_ps)
        quiet = 0 if board.flash.busy or board.chip.next_change_ps() is not None else quiet + 1
        if quiet == QUIET_STEPS:
            return
