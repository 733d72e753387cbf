"""The `flm` format: the QSPI chip's flash algorithm without and with Verify, and the internal flash's."""

from __future__ import annotations

from boardflash.description.model import Board

from .flm import VERIFY, flm_workshop
from .formats import ExportRequest
from .storage import internal_storage, qspi_storage, require_qspi


def names(board: Board) -> tuple[str, ...]:
    require_qspi(board)
    return (f"{board.name}.FLM", f"{board.name}-verify.FLM", f"{board.name}-internal.FLM")


def write(request: ExportRequest) -> None:
    board = request.board
    plain, verify, internal = (request.folder / name for name in names(board))
    with flm_workshop(board, qspi_storage(board)) as flm:
        flm.make(plain)
        flm.make(verify, VERIFY)
    with flm_workshop(board, internal_storage(board)) as flm:
        flm.make(internal)
