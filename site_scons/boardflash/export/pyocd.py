"""<board>_pyocd.py: a pyOCD user script that gives a target the board's memories; its algorithm beside it.

pyOCD 0.45: `will_connect` may change the memory map (docs/user_scripts.md); `__file__` is set in the script's
namespace (core/session.py); an FLM is found by its full path, or from the project folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from boardflash.description.model import Board
from boardflash.errors import BoardflashError

from .flm import build_flm
from .formats import ExportRequest
from .wording import one_line, render_template, save

TEMPLATE = "pyocd_script.py"

#: pyOCD's module whose FLASH_ALGO drives the same flash controller, by die.
BUILTIN_ALGORITHMS = {
    "stm32f746": "target_STM32F767xx",  # same registers and sector numbers, github:pyocd/pyOCD@d1974ff
    "stm32h743": "target_STM32H743xx",
}
BUILTIN_PAGE = 0x400


def names(board: Board) -> tuple[str, ...]:
    return (script_name(board), *((flm_name(board),) if board.qspi else ()))


def script_name(board: Board) -> str:
    return f"{board.name}_pyocd.py"


def flm_name(board: Board) -> str:
    return f"{board.name}.FLM"


def write(request: ExportRequest) -> None:
    board = request.board
    text = script(board)
    if board.qspi:
        copy_flm(board, request.folder)
    save(request.folder / script_name(board), text)


def copy_flm(board: Board, folder: Path) -> None:
    """The algorithm alone, without what it was built of."""
    with tempfile.TemporaryDirectory(prefix="boardflash-flm-") as work:
        built = build_flm(board, Path(work))
        shutil.copyfile(built, folder / flm_name(board))


def script(board: Board) -> str:
    module = BUILTIN_ALGORITHMS.get(board.mcu.name)
    if module is None:
        raise BoardflashError(
            f"we know of no pyOCD algorithm for the internal flash of {board.mcu.title}", where=board.mcu.file
        )
    values: dict[str, object] = {
        "title": f"{one_line(board.title)} ({board.part.number})",
        "script": script_name(board),
        "module": module,
        "page": f"{BUILTIN_PAGE:#x}",
        "internal": _internal(board),
        "ram": _ranges([(board.mcu.ram_base, board.mcu.ram_size), *board.mcu.other_ram]),
        "flm": flm_name(board) if board.qspi else "",
    }
    if board.qspi:
        region = board.region("qspi")
        (values["qspi"],) = _ranges([(region.base, region.size)])
    return render_template(TEMPLATE, values)


def _ranges(memories: Iterable[tuple[int, int]]) -> list[Mapping[str, str]]:
    return [{"start": f"{base:#010x}", "length": f"{size:#x}"} for base, size in memories]


def _internal(board: Board) -> list[Mapping[str, str]]:
    region = board.region("internal")
    rows: list[Mapping[str, str]] = []
    address = region.base
    for run in region.sectors:
        length = run.size * run.count
        rows.append({"start": f"{address:#010x}", "length": f"{length:#x}", "sector": f"{run.size:#x}"})
        address += length
    return rows
