"""The limit of DESIGN section 8, worked out from the chip's typical times and the link alone.

    start-up + digests + max(bytes over the link / bandwidth, erase + program + bus time)

It uses the planner only for which erases are cheapest, the figure that the limit is defined by.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.description.model import Board, Chip
from boardflash.plan.erase import EraseOption, Leaf, Need, plan_erases
from boardflash.program.work import qspi_clock_hz

SWD_CLOCKS_PER_WORD = 46
#: One instruction a cycle, measured on the machine code: instructions per 64-byte BLAKE2s block.
HASH_BLOCK = 64


@dataclass(frozen=True)
class Limit:
    """Seconds on the board's clock."""

    start_up: float
    digest: float
    link: float
    chip: float

    @property
    def total(self) -> float:
        return self.start_up + self.digest + max(self.link, self.chip)


def link_seconds(board: Board, size: int) -> float:
    """What `size` bytes cost on SWD, without any latency."""
    return size / 4 * SWD_CLOCKS_PER_WORD / (board.probe.speed_khz * 1000)


def page_seconds(board: Board, chip: Chip) -> float:
    header = 8 + 8 * chip.address_bytes // chip.program.lines.address
    data = 8 * chip.page_size // chip.program.lines.data
    return chip.program.typ_us / 1e6 + (header + data) / qspi_clock_hz(board, chip)


def write_limit(board: Board, chip: Chip, size: int, *, blank: bool, start_up: float, digest: float) -> Limit:
    """Writing `size` bytes (no page blank) from the start of the QSPI region."""
    pages = -(-size // chip.page_size)
    program = pages * page_seconds(board, chip)
    erase = 0.0
    if not blank:
        region = board.region("qspi")
        leaf = chip.erases[0]
        page_us = round(page_seconds(board, chip) * 1e6)
        per_leaf = leaf.size // chip.page_size
        leaves = [
            Leaf(
                address,
                leaf.size,
                leaf.typ_ms * 1000,
                Need.REWRITE if address < region.base + size else Need.KEEP,
                per_leaf * page_us if address < region.base + size else 0,
                round(link_seconds(board, leaf.size) * 1e6) if address < region.base + size else 0,
            )
            for address in range(region.base, region.end, leaf.size)
        ]
        options = [EraseOption(e.size, e.typ_ms * 1000) for e in chip.erases[1:]]
        plan = plan_erases(leaves, options, chip.chip_erase.typ_ms * 1000)
        erase = sum(e.reason.erase_us for e in plan.erases) / 1e6
    return Limit(start_up, digest, link_seconds(board, size), erase + program)
