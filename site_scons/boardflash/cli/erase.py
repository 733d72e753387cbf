"""`boardflash erase`: a region, or a range of whole erase units."""

from __future__ import annotations

import argparse

from boardflash.cli.connect import connect
from boardflash.cli.output import REPORT_SCHEMA, Teller, simulated_line, write_json
from boardflash.cli.plans import board_of, cached_loader, toolchain_of
from boardflash.errors import BoardflashError, ExitCode


def run(arguments: argparse.Namespace) -> int:
    from boardflash.program.access import erase_range, region_at

    board = board_of(arguments)
    regions = {region.name: region for region in board.regions}
    region = regions.get(arguments.region)
    if region is None:
        raise BoardflashError(
            f"{board.name} has the regions {', '.join(regions)}", where=f"--region {arguments.region}"
        )
    address = region.base if arguments.address is None else arguments.address
    size = region.end - address if arguments.size is None else arguments.size
    if size <= 0:
        raise BoardflashError("nothing to erase: the size is 0", code=ExitCode.USAGE)
    if region_at(board, address, size).name != region.name:
        raise BoardflashError(
            f"{size} bytes at {address:#010x} do not lie in it", where=f"--region {region.name}"
        )
    loader = cached_loader(board, toolchain_of(arguments))
    with Teller(json_target=arguments.json) as teller:
        with connect(arguments, board) as link:
            if link.simulated:
                teller.note(simulated_line(board.name, link.serial))
            device, erases = erase_range(board, loader, link, address, size, teller)
            probe, simulated = link.serial, link.simulated
        done = f"{size:,} bytes of {region.name} erased at {address:#010x}; the core is halted"
        teller.note(f"simulated board {board.name}: {done}" if simulated else done)
    if arguments.json is not None:
        report = {
            "schema": REPORT_SCHEMA,
            "verb": "erase",
            "board": board.name,
            "probe": probe,
            "simulated": simulated,
            "unique_id": device.unique_id,
            "region": region.name,
            "address": address,
            "size": size,
            "erases": erases,
            "exit_code": 0,
        }
        write_json(arguments.json, report)
    return 0
