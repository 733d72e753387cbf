"""flash.mk: `make flash`, `make plan` and `make verify` for repositories that build with GNU Make.

The command line does the work, with the plan, the stamps and their folders as the SCons builders have them.
"""

from __future__ import annotations

from boardflash.description.model import Board
from boardflash.link.probes import default_serial
from boardflash.templates import render_template

from .formats import ExportRequest
from .wording import one_line, save

TEMPLATE = "flash.mk"


def names(board: Board) -> tuple[str, ...]:
    return (TEMPLATE,)


def write(request: ExportRequest) -> None:
    save(request.folder / TEMPLATE, fragment(request.board))


def fragment(board: Board) -> str:
    values = {
        "title": one_line(board.title),
        "board": board.name,
        "regions": " ".join(region.name for region in board.regions),
        "serial": default_serial(board.name),
    }
    return render_template(TEMPLATE, values)
