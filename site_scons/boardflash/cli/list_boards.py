"""`boardflash list-boards`: the boards that can be named."""

from __future__ import annotations

import argparse

from boardflash.cli.output import tell, write_json


def run(arguments: argparse.Namespace) -> int:
    from boardflash.description.load import board_path_from_environment, list_boards

    boards = list_boards(tuple(arguments.board_path) or board_path_from_environment())
    if arguments.json is not None:
        write_json(
            arguments.json,
            {"schema": 1, "boards": [{"name": b.name, "title": b.title, "mcu": b.mcu} for b in boards]},
        )
        return 0
    width = max((len(board.name) for board in boards), default=0)
    for board in boards:
        tell(f"{board.name:{width}}  {board.mcu:14}  {board.title}")
    return 0
