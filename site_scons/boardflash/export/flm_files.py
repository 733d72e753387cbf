"""The `flm` format: the QSPI chip's flash algorithm without and with Verify, and the internal flash's."""

from __future__ import annotations

from boardflash.description.model import Board

from .flm import VERIFY, flm_workshop
from .formats import ExportRequest
from .storage import internal_storage, qspi_storage


def names(board: Board) -> tuple[str, ...]:
    internal = f"{board.name}-internal.FLM"
    return (f"{board.name}.FLM", f"{board.name}-verify.FLM", internal) if board.qspi else (internal,)


def write(request: ExportRequest) -> None:
    board = request.board
    *qspi, internal = (request.folder / name for name in names(board))
    if qspi:
        plain, verify = qspi
        with flm_workshop(board, qspi_storage(board)) as flm:
            flm.make(plain)
            flm.make(verify, VERIFY)
    with flm_workshop(board, internal_storage(board)) as flm:
        flm.make(internal)
