"""CMSIS-Pack flash algorithms (.FLM) of a board's memories, from the target loader's sources.

Layout as uVision, pyOCD, probe-rs and J-Link read it (reference flash-engines section 8): PrgCode at 0,
PrgData, DevDscr last, with `FlashDevice`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from boardflash.description.model import Board

from .algorithm import BY_R9, Layout, Workshop, workshop
from .storage import Storage, qspi_storage

SYMBOLS = ("Init", "UnInit", "EraseChip", "EraseSector", "ProgramPage", "BlankCheck", "FlashDevice")
SECTIONS = ("PrgCode", "PrgData", "DevDscr")
NAME_LIMIT = 127


@dataclass(frozen=True)
class Extension:
    """Entry points beyond CMSIS's mandatory ones."""

    source: str
    symbols: tuple[str, ...]


VERIFY = Extension("flm_verify.c", ("Verify",))
SEGGER = Extension(
    "flm_segger.c", ("SEGGER_OPEN_Read", "SEGGER_OPEN_CalcCRC", "SEGGER_OPEN_Program", "SEGGER_OPEN_Erase")
)
TURBO = Extension("flm_turbo.c", ("SEGGER_OPEN_Start",))  # needs both


@dataclass(frozen=True)
class FlmWorkshop:
    """Makes any number of files of one memory."""

    storage: Storage
    work: Workshop

    def make(self, result: Path, *extensions: Extension) -> Path:
        symbols = (*SYMBOLS, *(symbol for each in extensions for symbol in each.symbols))
        sources = ("flm.c", *(each.source for each in extensions), "flm_data.c", *self.storage.sources)
        self.work.link(sources, Layout("flm.ld", "Init", symbols, SECTIONS, 0), result)
        return result


@contextmanager
def flm_workshop(board: Board, storage: Storage) -> Iterator[FlmWorkshop]:
    values = {**storage.values(board), "name": storage.title[:NAME_LIMIT]}
    with workshop(board, BY_R9, values) as work:
        yield FlmWorkshop(storage, work)


def build_flm(board: Board, folder: Path) -> Path:
    """`folder`/<board>.FLM of the QSPI chip, without Verify: that makes pyOCD skip nothing."""
    with flm_workshop(board, qspi_storage(board)) as flm:
        return flm.make(folder / f"{board.name}.FLM")
