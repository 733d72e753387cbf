"""`boardflash plan`: write the plan of some inputs, or tell what a plan file says."""

from __future__ import annotations

import argparse

from boardflash.cli.output import tell
from boardflash.cli.plans import board_of, cached_loader, named_plan, plan_of, toolchain_of, write_plan
from boardflash.errors import BoardflashError, ExitCode


def run(arguments: argparse.Namespace) -> int:
    from boardflash.plan.describe import describe

    if named_plan(arguments.inputs) is not None:
        plan = plan_of(arguments)
    elif arguments.output is None:
        raise BoardflashError("where to? say --output DIR", code=ExitCode.USAGE)
    else:
        from boardflash.image.inputs import InputSpec

        board = board_of(arguments)
        specs = [InputSpec.parse(text) for text in arguments.inputs]
        arguments.output.mkdir(parents=True, exist_ok=True)
        loader = arguments.loader or cached_loader(board, toolchain_of(arguments)).elf
        # Beside the plan, so that the folder can go elsewhere as it is.
        own = arguments.output / "loader.elf"
        if not (own.exists() and own.samefile(loader)):
            own.write_bytes(loader.read_bytes())
        plan = write_plan(board, specs, own, arguments.output)
        if arguments.all_regions:
            planned = {region.name for region in plan.regions}
            for region in board.regions:
                if region.name not in planned:
                    (arguments.output / f"{region.name}.bin").write_bytes(b"")
                    (arguments.output / f"{region.name}.hex").write_bytes(b"")
    if not arguments.quiet:
        for line in describe(plan):
            tell(line)
    return 0
