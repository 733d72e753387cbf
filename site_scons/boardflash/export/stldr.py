"""The `stldr` format: an STM32CubeProgrammer external loader of the QSPI chip.

Linked four bytes into the RAM, as ST's own are (github:STMicroelectronics/stm32-external-loader@0cbde89,
their .icf files). It works at any other address, too.
"""

from __future__ import annotations

from boardflash.description.model import Board

from .algorithm import BY_PC, Layout, workshop
from .formats import ExportRequest
from .storage import qspi_storage, require_qspi

SYMBOLS = (
    "StorageInfo",
    "Init",
    "Read",
    "Write",
    "SectorErase",
    "MassErase",
    "Verify",
    "CheckSum",
)
SECTIONS = (".text", ".data", ".storage_info")
SOURCES = ("stldr.c", "stldr_data.c")
BREAKPOINT_SIZE = 4
NAME_LIMIT = 99


def names(board: Board) -> tuple[str, ...]:
    require_qspi(board)
    return (f"{board.name}.stldr",)


def write(request: ExportRequest) -> None:
    board = request.board
    storage = qspi_storage(board)
    start = board.mcu.ram_base + BREAKPOINT_SIZE
    values = {
        **storage.values(board),
        "name": f"QSPI_{board.name}"[:NAME_LIMIT],
        "load_address": f"{start:#010x}",
    }
    with workshop(board, BY_PC, values) as work:
        layout = Layout("stldr.ld", "Init", SYMBOLS, SECTIONS, start)
        work.link((*SOURCES, *storage.sources), layout, request.folder / names(board)[0])
