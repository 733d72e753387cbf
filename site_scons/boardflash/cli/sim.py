"""`boardflash sim serve`: a simulated board for debuggers and flashers, until Ctrl-C.

With link/probes.py the only place outside the simulation that imports it: there it stands in for a probe,
here it is what the user asked for by name.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from boardflash.cli.arguments import GDB_PORT
from boardflash.cli.output import Teller, simulated_line
from boardflash.cli.plans import board_of, cached_loader, ram_of, toolchain_of
from boardflash.errors import BoardflashError, ExitCode

if TYPE_CHECKING:
    from boardflash.description.model import Board
    from boardflash.sim.board import SimulatedBoard
    from boardflash.sim.serve.boardmap import BoardMap
    from boardflash.sim.serve.debuggee import Debuggee
    from boardflash.sim.serve.server import Client

TCK_HZ = 2_000_000  # what OpenOCD's stock script for this family allows after reset: HCLK / 6 is 2.67 MHz


def run(arguments: argparse.Namespace) -> int:
    from boardflash.link.lock import ProbeLock
    from boardflash.link.probes import default_serial
    from boardflash.sim.probe import simulated_board
    from boardflash.sim.serve.server import Server

    board = board_of(arguments)
    serial = arguments.serial or int(default_serial(board.name))
    signals: list[int] = []
    with Teller() as teller, ProbeLock(f"sim-{serial}"):
        twin = arguments.twin or board.name
        device, faulty = simulated_board(twin, serial, dict(arguments.fault), where="sim serve")
        if (faulty.wire, faulty.costs) != (type(faulty.wire)(), type(faulty.costs)()):
            raise BoardflashError(
                "it belongs to the J-Link's wire, and this server has none",
                where="--fault",
                code=ExitCode.USAGE,
            )
        services = _services(arguments, board, device, teller, lambda: bool(signals))
        server = Server(device, services, teller.note, device.save)
        try:
            teller.note(simulated_line(board.name, str(serial)))
            with _signals_to(server.wakeup_fd, signals):
                for name, port in server.ports.items():
                    teller.note(f"{name}: 127.0.0.1:{port}")
                server.run()
        finally:
            server.close()
            device.close()
        teller.note(f"simulated board {board.name}: its flash is kept; done")
    return int(ExitCode.OK)


def _services(
    arguments: argparse.Namespace,
    board: Board,
    device: SimulatedBoard,
    teller: Teller,
    interrupted: Callable[[], bool],
) -> dict[str, tuple[int, Callable[[], Client]]]:
    """What is offered: by name the port, and what makes a client of a connection."""
    services: dict[str, tuple[int, Callable[[], Client]]] = {}
    debuggee = None
    gdb_port = GDB_PORT if arguments.gdb is None and arguments.bitbang is None else arguments.gdb
    if gdb_port is not None:
        from boardflash.sim.serve.gdb import GdbClient

        debuggee = _debuggee(arguments, board, device, teller, interrupted)
        services["gdb"] = (gdb_port, partial(GdbClient, debuggee, teller.note))
    if arguments.bitbang is not None:
        from boardflash.sim.serve.adiv5 import DebugPort
        from boardflash.sim.serve.jtag import NO_DPIDR, JtagChain
        from boardflash.sim.serve.remote_bitbang import BitbangClient, Pins

        pins = Pins(JtagChain(DebugPort(device, dpidr=NO_DPIDR, clock_hz=TCK_HZ)))
        disturbs = (debuggee.disturbed,) if debuggee is not None else ()
        services["bitbang"] = (arguments.bitbang, partial(BitbangClient, pins, *disturbs))
    return services


def _debuggee(
    arguments: argparse.Namespace,
    board: Board,
    device: SimulatedBoard,
    teller: Teller,
    interrupted: Callable[[], bool],
) -> Debuggee:
    from boardflash.cli.sim_programmer import BoardProgrammer
    from boardflash.sim.serve.board_link import BoardLink
    from boardflash.sim.serve.debuggee import Debuggee
    from boardflash.sim.serve.wire import Wire

    loader = cached_loader(board, toolchain_of(arguments))
    link = BoardLink(Wire(device), device.state.serial, device.twin.supply_mv)
    programmer = BoardProgrammer(board, loader, link, teller, interrupted)
    return Debuggee(device, board_map(board), programmer, device.save)


def board_map(board: Board) -> BoardMap:
    """The board's memories as a debugger is told of them."""
    from boardflash.sim.serve.boardmap import BoardMap, FlashArea

    return BoardMap(
        ram=tuple((memory.base, memory.size) for memory in ram_of(board)),
        flash=tuple(
            FlashArea(
                region.base,
                tuple((run.size, run.count) for run in region.sectors),
                behind_controller=region.name == "qspi",
            )
            for region in board.regions
        ),
    )


@contextmanager
def _signals_to(wakeup_fd: int, seen: list[int]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server in good order; also one that the programmer held back for a while."""

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    fd_before = signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(fd_before)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
