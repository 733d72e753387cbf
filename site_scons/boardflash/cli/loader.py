"""`boardflash loader`: build the target loader of a board."""

from __future__ import annotations

import argparse

from boardflash.cli.output import tell
from boardflash.cli.plans import board_of, toolchain_of


def run(arguments: argparse.Namespace) -> int:
    from boardflash.loader.compile import build_loader

    board = board_of(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    artefact = build_loader(board, arguments.output, toolchain_of(arguments))
    if not arguments.quiet:
        tell(f"{artefact.elf}: {len(artefact.image):,} bytes for {board.name}, {artefact.toolchain}")
        tell(f"sha256 {artefact.sha256}")
    return 0
