"""`boardflash reset`: reset the MCU and start its firmware, or stop at the reset vector."""

from __future__ import annotations

import argparse

from boardflash.cli.connect import connect
from boardflash.cli.output import REPORT_SCHEMA, Teller, simulated_line, write_json
from boardflash.cli.plans import board_of


def run(arguments: argparse.Namespace) -> int:
    board = board_of(arguments)
    with Teller(json_target=arguments.json) as teller, connect(arguments, board) as link:
        if link.simulated:
            teller.note(simulated_line(board.name, link.serial))
        if arguments.halt:
            link.reset_and_halt()
        else:
            link.reset_and_run()
        done = "halted at the reset vector" if arguments.halt else "reset, running"
        teller.note(f"simulated board {board.name}: {done}" if link.simulated else done)
        if arguments.json is not None:
            write_json(
                arguments.json,
                {
                    "schema": REPORT_SCHEMA,
                    "verb": "reset",
                    "board": board.name,
                    "probe": link.serial,
                    "simulated": link.simulated,
                    "exit_code": 0,
                },
            )
    return 0
