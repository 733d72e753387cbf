"""From `--probe` to an open link, for every verb that touches a device."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from boardflash.errors import BoardflashError, ExitCode

if TYPE_CHECKING:
    from boardflash.description.model import Board
    from boardflash.link.jlink import Link


def asks_for_simulation(arguments: argparse.Namespace) -> bool:
    """Whether `--probe` names a simulated board; `--twin` and `--fault` belong to one alone."""
    from boardflash.link.selector import parse

    simulated = parse(arguments.probe).kind == "sim"
    for option, given in (("--twin", arguments.twin), ("--fault", arguments.fault)):
        if given and not simulated:
            raise BoardflashError(
                "it belongs to the simulated board; say --probe sim", where=option, code=ExitCode.USAGE
            )
    return simulated


def connect(arguments: argparse.Namespace, board: Board) -> Link:
    """The link that the command line asks for; the simulation only if it was asked for by name."""
    from boardflash.link.probes import SimulationChoice, open_link

    simulated = asks_for_simulation(arguments)
    link = open_link(
        arguments.probe,
        board_name=board.name,
        jlink_device=board.part.jlink_device,
        interface=board.probe.interface,
        speed_khz=board.probe.speed_khz,
        under_reset=board.probe.connect_under_reset,
        trace=arguments.trace,
        simulation=SimulationChoice(twin=arguments.twin, faults=dict(arguments.fault)) if simulated else None,
    )
    if not link.simulated:
        # On the error stream, beside whatever goes wrong: who reports it is asked for this first.
        print(f"J-Link {link.serial}, {link.software}", file=sys.stderr, flush=True)
    return link
