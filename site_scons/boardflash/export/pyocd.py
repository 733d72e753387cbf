"""<board>_pyocd.py: a pyOCD user script that gives a target the board's memories; its algorithms beside it.

pyOCD 0.45: `will_connect` may change the memory map (docs/user_scripts.md); `__file__` is set in the script's
namespace (core/session.py); an FLM is found by its full path, or from the project folder.
"""

from __future__ import annotations

from collections.abc import Mapping

from boardflash.description.model import Board
from boardflash.templates import render_template

from .flm import flm_workshop
from .formats import ExportRequest
from .storage import Storage, internal_storage, qspi_storage
from .wording import one_line, save

TEMPLATE = "pyocd_script.py"


def names(board: Board) -> tuple[str, ...]:
    return (script_name(board), *(_flm_name(board, region) for region in _storages(board)))


def script_name(board: Board) -> str:
    return f"{board.name}_pyocd.py"


def write(request: ExportRequest) -> None:
    board = request.board
    for region, storage in _storages(board).items():
        with flm_workshop(board, storage) as flm:
            flm.make(request.folder / _flm_name(board, region))
    save(request.folder / script_name(board), script(board))


def script(board: Board) -> str:
    regions = {region: _memory(board, region) for region in _storages(board)}
    ram = [(board.mcu.ram_base, board.mcu.ram_size), *board.mcu.other_ram]
    values = {
        "title": f"{one_line(board.title)} ({board.part.number})",
        "script": script_name(board),
        "internal": regions["internal"],
        "qspi": regions.get("qspi"),
        "ram": [_range(base, size) for base, size in ram],
    }
    return render_template(TEMPLATE, values)


def _storages(board: Board) -> Mapping[str, Storage]:
    found = {"internal": internal_storage(board)}
    if board.qspi:
        found["qspi"] = qspi_storage(board)
    return found


def _flm_name(board: Board, region: str) -> str:
    """As the `flm` format calls them: the same files."""
    return f"{board.name}.FLM" if region == "qspi" else f"{board.name}-{region}.FLM"


def _memory(board: Board, name: str) -> Mapping[str, str]:
    region = board.region(name)
    return {**_range(region.base, region.size), "flm": _flm_name(board, name)}


def _range(base: int, size: int) -> Mapping[str, str]:
    return {"start": f"{base:#010x}", "length": f"{size:#x}"}
