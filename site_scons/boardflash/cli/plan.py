"""`boardflash plan`: write the plan of some inputs, or tell what a plan file says."""

from __future__ import annotations

import argparse
from pathlib import Path

from boardflash.cli.plans import board_of, named_plan, plan_of, toolchain_of, write_plan
from boardflash.errors import BoardflashError, ExitCode


def run(arguments: argparse.Namespace) -> int:
    from boardflash.plan.file import describe

    if named_plan(arguments.inputs) is not None:
        plan = plan_of(arguments)
    elif arguments.output is None:
        raise BoardflashError("where to? say --output DIR", code=ExitCode.USAGE)
    else:
        from boardflash.image.inputs import InputSpec

        board = board_of(arguments)
        specs = [InputSpec.parse(text) for text in arguments.inputs]
        arguments.output.mkdir(parents=True, exist_ok=True)
        loader = arguments.loader or _own_loader(arguments)
        plan = write_plan(board, specs, loader, arguments.output)
        if arguments.all_regions:
            planned = {region.name for region in plan.regions}
            for region in board.regions:
                if region.name not in planned:
                    (arguments.output / f"{region.name}.bin").write_bytes(b"")
                    (arguments.output / f"{region.name}.hex").write_bytes(b"")
    if not arguments.quiet:
        for line in describe(plan):
            print(line)
    return 0


def _own_loader(arguments: argparse.Namespace) -> Path:
    """The board's loader, put beside the plan so that the folder can go elsewhere as it is."""
    from boardflash.cli.plans import cached_loader

    loader = cached_loader(board_of(arguments), toolchain_of(arguments))
    own = Path(arguments.output) / "loader.elf"
    own.write_bytes(loader.elf.read_bytes())
    return own
