"""A device with the loader running on it, identified: how every verb begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from boardflash.description.model import Board
from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.jlink import Link
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.protocol import REGION_QSPI, Command, Operation
from boardflash.loader.session import LoaderSession, WorkTimes
from boardflash.program.failures import explainer
from boardflash.program.identify import Found, identify, identify_limit_s
from boardflash.program.interrupt import Interrupt
from boardflash.program.progress import Progress, Silent
from boardflash.program.pump import Pump
from boardflash.program.report import device_lines
from boardflash.program.steady import SteadyLink

CHIP_RESET_LIMIT_S = 1.0
DBGMCU_CR = 4  # behind the device ID, on every die that we have


@dataclass
class Session:
    """The running loader, the pump that feeds it, what was found, and when (board's clock) it began."""

    loader: LoaderSession
    pump: Pump
    found: Found
    started: float
    board: Board
    interrupted: Callable[[], bool]
    supply_mv: int = 0
    progress: Progress = field(default_factory=Silent)
    _earlier: list[WorkTimes] = field(default_factory=list)

    def work_times(self) -> list[WorkTimes]:
        """How each memory has spent its time, over all starts of the loader."""
        now = self.loader.work_times()
        if not self._earlier:
            return now
        return [before + since for before, since in zip(self._earlier, now, strict=True)]

    def pause(self) -> None:
        """Our loader is going to be replaced in RAM; nothing may be in flight."""
        self._earlier = self.work_times()

    def resume(self) -> None:
        """Our loader again, with the chip that was found, as after the first start."""
        self.loader.start(self.supply_mv)
        if self.found.chip is not None and self.board.qspi is not None:
            self.loader.identify_chip(identify_limit_s(self.board))
            self.loader.select_chip(self.board.qspi.chips.index(self.found.chip))


@contextmanager
def open_session(
    board: Board,
    artefact: LoaderArtefact,
    link: Link,
    progress: Progress,
    interrupt: Interrupt,
    *,
    qspi: bool,
) -> Iterator[Session]:
    """Start the loader and identify; on any failure the core is left halted, not in the loader."""
    require_proven_die(board)
    started = link.now()
    debug_control = board.mcu.idcode_address + DBGMCU_CR
    loader = LoaderSession(SteadyLink(link, progress.note), artefact, interrupt, debug_control)
    try:
        progress.phase("connect", 0)
        supply_mv = link.supply_mv()
        loader.start(supply_mv)
        found = identify(loader, board, qspi=qspi)
        for line in device_lines(found.device):
            progress.note(line)
        pump = Pump(loader, explainer(board, found.chip), interrupt)
        yield Session(loader, pump, found, started, board, interrupt, supply_mv, progress)
    except BaseException:
        with _ignored():
            link.reset_and_halt()
            loader.restore_debug()
        raise


def leave(session: Session, link: Link, *, run: bool) -> None:
    """Give the chip back in its power-up state, and the board to its firmware."""
    if session.found.chip is not None:
        session.loader.carry_out(REGION_QSPI, Command(Operation.CHIP_RESET), CHIP_RESET_LIMIT_S)
    if run:
        # With nothing to do the loader watches its mailbox. Asleep, the core would cut the debug port off.
        session.loader.restore_debug()
        link.reset_and_run()
    else:
        link.reset_and_halt()
        session.loader.restore_debug()


def require_proven_die(board: Board) -> None:
    """Refuse a die whose drivers nothing has proved yet."""
    if not board.mcu.simulated:
        raise BoardflashError(
            f"{board.mcu.name} loaders compile, but have not been proved on a simulated board: flashing is"
            " refused until they are",
            where=board.name,
            code=ExitCode.BAD_INPUT,
        )


@contextmanager
def _ignored() -> Iterator[None]:
    """While another error is on its way, a link that fails too has nothing to add."""
    try:
        yield
    except BoardflashError:
        return
