"""`boardflash identify`: which probe, which MCU and which chip answer. No flash is written or erased."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from boardflash.cli.connect import connect
from boardflash.cli.output import REPORT_SCHEMA, Teller, simulated_line, write_json
from boardflash.cli.plans import board_of, cached_loader, named_plan, plan_of, toolchain_of
from boardflash.errors import BoardflashError, ExitCode

if TYPE_CHECKING:
    from boardflash.description.model import Board
    from boardflash.loader.artefact import LoaderArtefact


def run(arguments: argparse.Namespace) -> int:
    from boardflash.program.access import identify_board
    from boardflash.program.report import device_json

    board, loader = board_and_loader(arguments)
    with Teller(json_target=arguments.json) as teller, connect(arguments, board) as link:
        if link.simulated:
            teller.note(simulated_line(board.name, link.serial))
        probe = {
            "product": link.product,
            "firmware": link.firmware,
            "speed_khz": link.speed_khz,
            "supply_mv": link.supply_mv(),
        }
        # Before the loader is started: who has to find out why it does not start needs this first.
        teller.note(
            f"probe {probe['product']}, firmware {probe['firmware']}: {probe['speed_khz']} kHz,"
            f" target supply {probe['supply_mv']} mV"
        )
        device = identify_board(board, loader, link, teller)
        done = "no flash was erased or written"
        teller.note(f"simulated board {board.name}: {done}" if link.simulated else done)
        serial, software, simulated = link.serial, link.software, link.simulated
    if arguments.json is not None:
        report = {
            "schema": REPORT_SCHEMA,
            "verb": "identify",
            "board": board.name,
            "probe": serial,
            "simulated": simulated,
            "software": software,
            "link": probe,
            "device": device_json(device),
            "loader": {"sha256": loader.sha256, "toolchain": loader.toolchain},
            "exit_code": 0,
        }
        write_json(arguments.json, report)
    return 0


def board_and_loader(arguments: argparse.Namespace) -> tuple[Board, LoaderArtefact]:
    """The board that is meant and its loader: those of a plan, or of `--board`."""
    from boardflash.loader.artefact import load_artefact

    if named_plan(arguments.inputs) is not None:
        plan = plan_of(arguments)
        return plan.board, load_artefact(plan.loader_path)
    if arguments.inputs:
        raise BoardflashError(
            "no plan; `boardflash verify` compares images with the device",
            where=arguments.inputs[0],
            code=ExitCode.USAGE,
        )
    board = board_of(arguments)
    return board, cached_loader(board, toolchain_of(arguments))
