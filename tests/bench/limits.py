"""What chip and link allow, worked out from the chip's typical times and the link alone.

    start-up + digests + max(bytes over the link / bandwidth, erase + program + bus time)

It uses the planner only for which erases are cheapest, the figure that the limit is defined by.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.description.model import Board, Chip
from boardflash.plan.erase import EraseOption, Leaf, Need, plan_erases
from boardflash.program.work import qspi_clock_hz

SWD_CLOCKS_PER_WORD = 46


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


def change_limit(
    board: Board, chip: Chip, before: bytes, after: bytes, *, start_up: float, digest: float
) -> Limit:
    """From one content of the whole chip to another, by the cheapest erases; unit by unit of the region."""
    region = board.region("qspi")
    leaf_erase = chip.erases[0]
    assert leaf_erase.size == region.granule
    page_us = page_seconds(board, chip) * 1e6
    leaves = [
        _leaf(
            chip,
            region.base + at,
            before[at : at + region.granule],
            after[at : at + region.granule],
            leaf_erase.typ_ms * 1000,
            page_us,
            round(link_seconds(board, region.granule) * 1e6),
        )
        for at in range(0, region.size, region.granule)
    ]
    options = [EraseOption(e.size, e.typ_ms * 1000) for e in chip.erases[1:]]
    plan = plan_erases(leaves, options, chip.chip_erase.typ_ms * 1000)
    return Limit(start_up, digest, plan.link_us / 1e6, plan.chip_us / 1e6)


def _leaf(
    chip: Chip, address: int, old: bytes, new: bytes, erase_us: int, page_us: float, link_us: int
) -> Leaf:
    pages = [new[at : at + chip.page_size] for at in range(0, len(new), chip.page_size)]
    to_write = [page for page in pages if page.strip(b"\xff")]
    share = len(to_write) / len(pages)
    whole_us = round(len(to_write) * page_us)
    if old == new:
        return Leaf(address, len(new), erase_us, Need.KEEP, whole_us, round(link_us * share))
    only_clears = int.from_bytes(old, "little") & int.from_bytes(new, "little") == int.from_bytes(
        new, "little"
    )
    if not old.strip(b"\xff") or (only_clears and chip.clear_only_program):
        there = [old[at : at + chip.page_size] for at in range(0, len(old), chip.page_size)]
        changed = sum(page != was for page, was in zip(pages, there, strict=True))
        return Leaf(
            address,
            len(new),
            erase_us,
            Need.WRITE,
            round(changed * page_us),
            round(link_us * changed / len(pages)),
            False,
            whole_us,
            round(link_us * share),
        )
    need = Need.REWRITE if to_write else Need.ERASE_ONLY
    return Leaf(address, len(new), erase_us, need, whole_us, round(link_us * share))
