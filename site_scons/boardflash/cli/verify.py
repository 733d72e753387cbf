"""`boardflash verify`: ask the device whether it holds the plan; change nothing."""

from __future__ import annotations

import argparse

from boardflash.cli.connect import connect
from boardflash.cli.output import Teller, simulated_line, write_json
from boardflash.cli.plans import plan_of


def run(arguments: argparse.Namespace) -> int:
    from boardflash.program.run import FlashOptions, verify

    plan = plan_of(arguments)
    options = FlashOptions(regions=tuple(arguments.region) if arguments.region else None)
    with Teller(json_target=arguments.json) as teller, connect(arguments, plan.board) as link:
        if link.simulated:
            teller.note(simulated_line(plan.board.name, link.serial))
        report = verify(plan, link, options, teller)
        teller.lines(report.lines())
        if link.simulated:
            teller.note(f"simulated board {plan.board.name}: done")
    if arguments.json is not None:
        write_json(arguments.json, report.to_json())
    return int(report.exit_code)
