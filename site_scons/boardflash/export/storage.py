"""The memory that a flash algorithm is for: its C sources, and the numbers that every host is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boardflash.description.model import Board, Chip
from boardflash.errors import BoardflashError
from boardflash.loader.artefact import ABOUT_SECTION

SECTOR_SIZE = 0x1_0000
#: What a host sends at once: pyOCD moves 256-byte pages at half the speed (reference flash-engines 1.5).
QSPI_PAGE_SIZE = 4096
INTERNAL_PAGE_SIZE = 1024
CODE_LIMIT = 8 * 1024
ON_CHIP, EXTERNAL_SPI = "FLM_ON_CHIP", "FLM_EXTERNAL_SPI"

COMMON_SOURCES = ("core.c", "storage.c", "storage_limits.c", "time_polled.c", "runtime.c")
QSPI_SOURCES = ("storage_qspi.c", "storage_data.c", "stream.c", "nor.c", "nor_bus.c", "nor_select.c")
INTERNAL_SOURCES = ("storage_internal.c",)


@dataclass(frozen=True)
class Sectors:
    """`count` erase units of `size` bytes, from `offset` on."""

    offset: int
    size: int
    count: int


@dataclass(frozen=True)
class Storage:
    """One memory of a board as flash algorithms see it."""

    title: str
    sources: tuple[str, ...]
    base: int
    size: int
    page_size: int
    program_max_ms: int  # one page
    erase_max_ms: int  # one sector
    sectors: tuple[Sectors, ...]
    kind: str
    protected: tuple[tuple[int, int], ...]  # (address, size) that the board file keeps from change
    chips: tuple[tuple[int, Chip], ...] = ()  # with their rows

    def identities(self) -> list[tuple[int, Chip, bytes]]:
        """Row, chip and JEDEC ID, long IDs first: a short one may be the beginning of another's."""
        found = [(row, chip, jedec) for row, chip in self.chips for jedec in chip.jedec_ids]
        return sorted(found, key=lambda item: -len(item[2]))

    def values(self, board: Board) -> Mapping[str, Any]:
        """For the templates."""
        return {
            "board": board.name,
            "name": self.title,
            "type": self.kind,
            "base": f"{self.base:#010x}u",
            "size": f"{self.size:#010x}u",
            "page_size": f"{self.page_size}u",
            "sector_size": f"{self.sectors[0].size:#x}u",
            "program_max_ms": f"{self.program_max_ms}u",
            "erase_max_ms": f"{self.erase_max_ms}u",
            "sectors": [
                {"offset": f"{run.offset:#x}u", "size": f"{run.size:#x}u", "count": run.count}
                for run in self.sectors
            ],
            "protected": [
                {"address": f"{address:#010x}u", "size": f"{size:#x}u"} for address, size in self.protected
            ],
            "chips": [
                {
                    "row": row,
                    "length": len(jedec),
                    "id": ", ".join(f"{byte:#04x}" for byte in jedec),
                    "name": chip.name,
                }
                for row, chip, jedec in self.identities()
            ],
            "about_section": ABOUT_SECTION,
            "code_limit": CODE_LIMIT,
        }


def unnamed_chips(board: Board) -> str | None:
    """What is to be said of a QSPI region of which the board file names a loader and no chips."""
    for region in board.regions:
        if region.name == "qspi" and board.qspi is None and region.loader is not None:
            return f"region qspi names {region.loader.name} and no chips, so there is nothing to make it of"
    return None


def require_qspi(board: Board) -> None:
    if board.qspi is None:
        told = unnamed_chips(board) or "this board has no QSPI chip to make a flash algorithm for"
        raise BoardflashError(told, where=board.file)


def qspi_storage(board: Board) -> Storage:
    """The QSPI chip, found by JEDEC ID among the board's."""
    require_qspi(board)
    assert board.qspi is not None
    chips = list(enumerate(board.qspi.chips))
    _refuse_twins(board, [chip for _, chip in chips])
    sector = _sector_size(board, [chip for _, chip in chips])
    size = min(chip.size for _, chip in chips)
    driver = f"controllers/{board.mcu.qspi.driver}"
    erases = [erase for _, chip in chips for erase in chip.erases if erase.size == sector]
    pages_ms = [-(-QSPI_PAGE_SIZE // c.page_size) * -(-c.program.max_us // 1000) for _, c in chips]
    return Storage(
        title=f"{board.name} QSPI",
        sources=(
            *COMMON_SOURCES,
            *QSPI_SOURCES,
            f"clocks/{board.mcu.clock.driver}.c",
            f"{driver}.c",
            f"{driver}_map.c",
        ),
        base=board.region("qspi").base,
        size=size,
        page_size=QSPI_PAGE_SIZE,
        program_max_ms=max(pages_ms),
        erase_max_ms=max(erase.max_ms for erase in erases),
        sectors=(Sectors(0, sector, size // sector),),
        kind=EXTERNAL_SPI,
        protected=board.region("qspi").protect,
        chips=tuple(chips),
    )


def internal_storage(board: Board) -> Storage:
    """The MCU's own flash."""
    region, flash = board.region("internal"), board.mcu.flash
    sectors, offset = [], 0
    for run in region.sectors:
        sectors.append(Sectors(offset, run.size, run.count))
        offset += run.size * run.count
    return Storage(
        title=f"{board.name} internal flash",
        sources=(
            *COMMON_SOURCES,
            *INTERNAL_SOURCES,
            f"clocks/{board.mcu.clock.driver}.c",
            f"internal/{flash.driver}.c",
        ),
        base=region.base,
        size=region.size,
        page_size=INTERNAL_PAGE_SIZE,
        program_max_ms=-(-INTERNAL_PAGE_SIZE * flash.program_max_us // 1000),  # byte by byte at the slowest
        erase_max_ms=max(run.erase_max_ms for run in region.sectors),
        sectors=tuple(sectors),
        kind=ON_CHIP,
        protected=region.protect,
    )


def _refuse_twins(board: Board, chips: list[Chip]) -> None:
    """A flash algorithm asks for the JEDEC ID alone: parts that share one it cannot tell apart."""
    owners: dict[bytes, Chip] = {}
    for chip in chips:
        for jedec in chip.jedec_ids:
            other = owners.setdefault(jedec, chip)
            if other is not chip:
                raise BoardflashError(
                    f"{other.name} and {chip.name} share the JEDEC ID {jedec.hex(' ').upper()}; a flash"
                    " algorithm cannot tell them apart: name the one that is there",
                    where=f"{board.file}: [qspi] chips",
                )


def _sector_size(board: Board, chips: list[Chip]) -> int:
    """64 KiB, or the largest below it that every chip erases at once."""
    common = set.intersection(*({e.size for e in chip.erases if e.size <= SECTOR_SIZE} for chip in chips))
    if not common:
        raise BoardflashError("the board's chips have no erase size in common", where=board.file)
    return max(common)
