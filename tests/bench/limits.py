"""What chip and link allow, worked out from the chip's typical times and the link alone.

    start-up + first digest + last digest + max(bytes over the link / bandwidth, erase + program + bus time)

The first digest is of every granule of the image, the last of every granule of every erase unit that was
touched (DESIGN section 4, decisions 1 and 2). Bytes on the link are counted uncompressed, without any
latency. It uses the planner only for which erases are cheapest, the figure that the limit is defined by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from boardflash.description.model import Board, Chip, Region
from boardflash.plan.erase import EraseOption, ErasePlan, Leaf, Need, plan_erases

SWD_CLOCKS_PER_WORD = 46
STRETCH = 256  # bytes of internal flash that count as blank or not at once


@dataclass(frozen=True)
class Change:
    """A region from one content to another. `chip` None: the internal flash."""

    region: Region
    chip: Chip | None
    before: bytes
    after: bytes
    image_size: int


@dataclass(frozen=True)
class Limit:
    """Seconds on the board's clock."""

    start_up: float
    first_digest: float
    last_digest: float
    link: float
    chip: float  # of the busiest region
    chip_erase: float = 0.0  # of `chip`, if one command erases all: nothing programs meanwhile
    ram_link: float = 0.0  # of `link`, what the target's RAM can take while nothing programs

    @property
    def around(self) -> float:
        return self.start_up + self.first_digest + self.last_digest

    @property
    def total(self) -> float:
        return self.around + max(self.link, self.chip)

    @property
    def side(self) -> str:
        """Which of the two it is that limits."""
        if max(self.link, self.chip) == 0:
            return "digest"
        return "chip" if self.chip >= self.link else "link"

    @property
    def reachable(self) -> float:
        """The limit, but that during a chip erase no more can be sent than the target's RAM takes."""
        if not self.chip_erase:
            return self.total
        late = max(self.link - self.ram_link, 0)
        return self.around + self.chip_erase + max(self.chip - self.chip_erase, late)


def link_seconds(board: Board, size: int) -> float:
    """What `size` bytes cost on SWD, without any latency."""
    return size / 4 * SWD_CLOCKS_PER_WORD / (board.probe.speed_khz * 1000)


def bus_hz(board: Board, chip: Chip) -> int:
    """HCLK over the smallest whole divider that keeps the limits of board and chip, however fast HSI is."""
    assert board.qspi is not None
    clock, most = board.mcu.clock, min(board.qspi.clock_hz_max, chip.read.clock_hz_max)
    return clock.hclk_hz // clock.divider(most)


def page_seconds(board: Board, chip: Chip) -> float:
    header = 8 + 8 * chip.address_bytes // chip.program.lines.address
    data = 8 * chip.page_size // chip.program.lines.data
    return chip.program.typ_us / 1e6 + (header + data) / bus_hz(board, chip)


def change_limit(board: Board, changes: Sequence[Change], *, start_up: float, digest_rate: float) -> Limit:
    """By the cheapest erases of each region; `digest_rate` is seconds a byte."""
    plans = [_cheapest(board, change) for change in changes]
    busiest = max(plans, key=lambda plan: plan.chip_us)
    return Limit(
        start_up,
        digest_rate * sum(change.image_size for change in changes),
        digest_rate * sum(map(_touched, changes, plans)),
        sum(plan.link_us for plan in plans) / 1e6,
        busiest.chip_us / 1e6,
        sum(erase.reason.erase_us for erase in busiest.erases if erase.whole_chip) / 1e6,
        link_seconds(board, board.mcu.ram_size),
    )


def _cheapest(board: Board, change: Change) -> ErasePlan:
    chip = change.chip
    leaves = list(_leaves(board, change))
    if chip is None:
        return plan_erases(leaves)
    options = [EraseOption(e.size, e.typ_ms * 1000) for e in chip.erases[1:]]
    return plan_erases(leaves, options, chip.chip_erase.typ_ms * 1000)


def _units(region: Region) -> Iterator[tuple[int, int, int]]:
    """Offset, size and typical erase time in milliseconds of each smallest erase unit."""
    at = 0
    for run in region.sectors:
        for _ in range(run.count):
            if at < region.size:
                yield at, run.size, run.erase_typ_ms
                at += run.size


def _touched(change: Change, plan: ErasePlan) -> int:
    """Bytes of the units that the plan erases, or programs without an erase."""
    sizes = {change.region.base + at: size for at, size, _ in _units(change.region)}
    touched = set(plan.programs)
    for erase in plan.erases:
        touched.update(address for address in sizes if erase.address <= address < erase.end)
    return sum(sizes[address] for address in touched)


def _leaves(board: Board, change: Change) -> Iterator[Leaf]:
    chip, flash = change.chip, board.mcu.flash
    page_size = chip.page_size if chip else STRETCH
    page_us = (
        page_seconds(board, chip) * 1e6 if chip else STRETCH / flash.program_bytes * flash.program_typ_us
    )
    page_link_us = link_seconds(board, page_size) * 1e6
    clears = chip.clear_only_program if chip else flash.clear_only_program
    for at, size, erase_ms in _units(change.region):
        old, new = change.before[at : at + size], change.after[at : at + size]
        erase_us = (chip.erases[0].typ_ms if chip else erase_ms) * 1000
        need, pages = _need(old, new, page_size, clears)
        whole = _written(new, page_size)
        yield Leaf(
            change.region.base + at,
            size,
            erase_us,
            need,
            round(pages * page_us),
            round(pages * page_link_us),
            False,
            round(whole * page_us) if need == Need.WRITE else None,
            round(whole * page_link_us) if need == Need.WRITE else None,
        )


def _need(old: bytes, new: bytes, page_size: int, clears: bool) -> tuple[Need, int]:
    """What the unit needs, and how many pages are then programmed."""
    if old == new:
        return Need.KEEP, _written(new, page_size)
    blank = not old.strip(b"\xff")
    if blank or (clears and _only_clears(old, new)):
        starts = range(0, len(new), page_size)
        return Need.WRITE, sum(old[a : a + page_size] != new[a : a + page_size] for a in starts)
    pages = _written(new, page_size)
    return (Need.REWRITE if pages else Need.ERASE_ONLY), pages


def _only_clears(old: bytes, new: bytes) -> bool:
    wanted = int.from_bytes(new, "little")
    return int.from_bytes(old, "little") & wanted == wanted


def _written(content: bytes, page_size: int) -> int:
    """Pages that are not blank."""
    blank = b"\xff" * page_size
    return sum(content[at : at + page_size] != blank for at in range(0, len(content), page_size))
