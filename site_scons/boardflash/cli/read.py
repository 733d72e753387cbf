"""`boardflash read`: flash of the device into a file, read by the loader past any cache."""

from __future__ import annotations

import argparse
from pathlib import Path

from boardflash.cli.connect import connect
from boardflash.cli.output import REPORT_SCHEMA, Teller, simulated_line, write_json
from boardflash.cli.plans import board_of, cached_loader, toolchain_of
from boardflash.errors import BoardflashError, ExitCode
from boardflash.files import write_file


def run(arguments: argparse.Namespace) -> int:
    from boardflash.program.access import read_range, region_at

    board = board_of(arguments)
    if arguments.size == 0:
        raise BoardflashError("nothing to read: the size is 0", code=ExitCode.USAGE)
    region_at(board, arguments.address, arguments.size)
    loader = cached_loader(board, toolchain_of(arguments))
    with Teller(json_target=arguments.json) as teller:
        with connect(arguments, board) as link:
            if link.simulated:
                teller.note(simulated_line(board.name, link.serial))
            data = read_range(board, loader, link, arguments.address, arguments.size, teller)
            probe, simulated = link.serial, link.simulated
        _write(arguments.output, arguments.address, data)
        done = f"{len(data):,} bytes read from {arguments.address:#010x} into {arguments.output}"
        teller.note(f"simulated board {board.name}: {done}" if simulated else done)
    if arguments.json is not None:
        report = {
            "schema": REPORT_SCHEMA,
            "verb": "read",
            "board": board.name,
            "probe": probe,
            "simulated": simulated,
            "address": arguments.address,
            "size": len(data),
            "exit_code": 0,
        }
        write_json(arguments.json, report)
    return 0


def _write(path: Path, address: int, data: bytes) -> None:
    if path.suffix.lower() == ".hex":
        from boardflash.image.hexfile import to_hex
        from boardflash.image.model import Segment

        data = to_hex([Segment(address, data, "")])
    write_file(path, data)
