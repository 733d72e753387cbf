"""`boardflash export FORMAT`: the board as another flasher takes it."""

from __future__ import annotations

import argparse
import sys

from boardflash.cli.output import say, tell
from boardflash.cli.plans import board_of, split_inputs


def run(arguments: argparse.Namespace) -> int:
    from boardflash.export.formats import ExportRequest, export, format_named, left_out
    from boardflash.image.inputs import InputSpec

    chosen = format_named(arguments.format)
    board = board_of(arguments)
    specs = [InputSpec.parse(text) for text in arguments.inputs]
    images = split_inputs(board, specs).images if specs else ()
    made = export(chosen, ExportRequest(board, arguments.output, tuple(images)))
    if note := left_out(chosen, board):
        say(note, sys.stderr)
    if not arguments.quiet:
        for path in made:
            tell(str(path))
    return 0
