"""From differences to work: which units are erased, what is programmed, and why.

Costs are the chip's typical times and the link's bandwidth, in microseconds; they choose between
plans that are all correct.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from boardflash.description.model import Board, Chip, Region
from boardflash.errors import BoardflashError
from boardflash.image.model import ERASED, Piece, RegionImage, digest_of
from boardflash.plan.difference import GranuleDifference, Reason
from boardflash.plan.erase import EraseOption, ErasePlan, Leaf, Need, plan_erases
from boardflash.program.chunks import sent_size
from boardflash.program.overlay import uncovered

#: A 32-bit word on SWD: 46 clocks with its request, turnarounds and acknowledge.
SWD_CLOCKS_PER_BYTE = 46 / 4
BLANK_PAGE_SIZE = 256
#: Blank leaves that adjoin are programmed as one stretch of about this size.
JOINED = 64 * 1024


@dataclass(frozen=True)
class Unit:
    """A stretch that one erase command clears (`erase`), or a leaf that is only programmed."""

    address: int
    size: int
    erase: bool
    whole_chip: bool
    pieces: tuple[Piece, ...]  # without an erase: of the image, the granules that are not right yet
    writes: tuple[tuple[int, int], ...]  # and (address, size) of what has to be programmed in them
    outside: tuple[tuple[int, int], ...]  # (address, size) at risk that the image does not cover
    reason: str

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass
class RegionWork:
    """What is to be done in one region; `guard` is the vector table's unit: erased first, written last."""

    region: Region
    image: RegionImage
    units: list[Unit] = field(default_factory=list)
    guard: Unit | None = None
    vectors: int | None = None  # where the image proper begins; what the journal owes may lie below
    unchanged: int = 0  # bytes of the image that stay as they are on the device
    differing: int = 0

    @property
    def all_units(self) -> list[Unit]:
        return [*([self.guard] if self.guard else []), *self.units]


@dataclass(frozen=True)
class Costs:
    """Typical times of one region, for the planner."""

    page_size: int
    page_us: float
    link_us_per_byte: float
    options: tuple[EraseOption, ...]
    chip_erase_us: int | None

    def link_us(self, data: bytes, pages: int) -> float:
        """What sending `data`, of which so many pages are not blank, takes on the link."""
        return min(pages * self.page_size, sent_size(data)) * self.link_us_per_byte if pages else 0.0


def qspi_costs(board: Board, chip: Chip) -> Costs:
    clock_hz = qspi_clock_hz(board, chip)
    header = 8 + 8 * chip.address_bytes // chip.program.lines.address
    data = 8 * chip.page_size // chip.program.lines.data
    page_us = chip.program.typ_us + (header + data) * 1e6 / clock_hz
    leaf = board.region("qspi").granule
    options = tuple(EraseOption(e.size, e.typ_ms * 1000) for e in chip.erases if e.size > leaf)
    return Costs(chip.page_size, page_us, _link_us_per_byte(board), options, chip.chip_erase.typ_ms * 1000)


def internal_costs(board: Board) -> Costs:
    flash = board.mcu.flash
    page_us = BLANK_PAGE_SIZE / flash.program_bytes * flash.program_typ_us
    return Costs(BLANK_PAGE_SIZE, page_us, _link_us_per_byte(board), (), None)


def qspi_clock_hz(board: Board, chip: Chip) -> int:
    """HCLK over the smallest whole divider that keeps the limits of board and chip, however fast HSI is."""
    assert board.qspi is not None
    limit = min(board.qspi.clock_hz_max, chip.read.clock_hz_max)
    return board.mcu.clock.hclk_hz // board.mcu.clock.divider(limit)


def erase_times_ms(
    region: Region, chip: Chip | None, size: int, *, whole_chip: bool = False
) -> tuple[int, int]:
    """Typical time and datasheet maximum of the erase command for `size` bytes."""
    if chip is None:
        run = next(run for run in region.sectors if run.size == size)
        return run.erase_typ_ms, run.erase_max_ms
    erase = chip.chip_erase if whole_chip else next(e for e in chip.erases if e.size == size)
    return erase.typ_ms, erase.max_ms


def plan_work(
    board: Board,
    region: Region,
    chip: Chip | None,
    image: RegionImage,
    differences: Sequence[GranuleDifference],
    *,
    force_guard: bool = False,
    vectors: int | None = None,
    costs: Costs | None = None,
) -> RegionWork:
    """The work that makes the region hold the image. Raises where a protected range is in the way.

    `vectors`: the vector table's address, where `image` has bytes of the journal around it. `costs`: of a
    loader that is not ours, which programs whole pages.
    """
    if vectors is None and image.runs:
        vectors = image.address
    work = RegionWork(region, image, vectors=vectors, differing=len(differences))
    if not differences and not force_guard:
        work.unchanged = image.byte_count
        return work
    _refuse_protected(board, region, differences)
    beside = costs.page_size if costs is not None else chip.page_size if chip is not None else 1
    if costs is None:
        costs = qspi_costs(board, chip) if chip is not None else internal_costs(board)
    guard_at = _guard_leaf(board, region, vectors) if region.name == "internal" else None
    if guard_at is not None and not _is_vector_blank(vectors, differences):
        guarded: int | None = guard_at
    else:
        guarded = None
    leaves = _leaves(region, chip, image, differences, costs, guarded)
    plan = plan_erases(leaves, costs.options, costs.chip_erase_us)
    _fill(work, image, differences, leaves, plan, guard_at, beside)
    touched = sum(
        size
        for unit in work.all_units
        for _, size in (
            image.covered(unit.address, unit.size)
            if unit.erase
            else ((p.address, p.size) for p in unit.pieces)
        )
    )
    work.unchanged = image.byte_count - touched
    return work


def _guard_leaf(board: Board, region: Region, vectors: int | None) -> int | None:
    """The erase unit with the image's vector table: where its lowest byte lies."""
    if board.boot_guard == "never" or vectors is None:
        return None
    return next(
        (address for address, size in leaf_units(region) if address <= vectors < address + size), None
    )


def leaf_units(region: Region) -> list[tuple[int, int]]:
    """(address, size) of every smallest erase unit of the region."""
    units: list[tuple[int, int]] = []
    address = region.base
    for run in region.sectors:
        for _ in range(run.count):
            if address >= region.end:
                return units
            units.append((address, run.size))
            address += run.size
    return units


def _leaves(
    region: Region,
    chip: Chip | None,
    image: RegionImage,
    differences: Sequence[GranuleDifference],
    costs: Costs,
    guarded: int | None,
) -> list[Leaf]:
    by_leaf = _by_leaf(region, differences)
    leaves = []
    for address, size in leaf_units(region):
        own = by_leaf.get(address, [])
        covered = sum(part for _, part in image.covered(address, size))
        content = image.read(address, size) if covered else b""
        pages = count_pages(content, costs.page_size)
        link = costs.link_us(content, pages)
        if covered < size:
            # What is not ours would have to be fetched and put back: at worst all of it.
            outside = size - covered
            pages += -(-outside // costs.page_size)
            link += 2 * outside * costs.link_us_per_byte
        need = _need(own, content)
        protected = _protected(region, address, size)
        if guarded == address and not protected:
            need = Need.REWRITE
        if need == Need.WRITE:
            stretches = [image.read(at, part) for d in own for at, part in d.writes]
            write_pages = sum(count_pages(part, costs.page_size) for part in stretches)
            leaf = Leaf(
                address,
                size,
                erase_times_ms(region, chip, size)[0] * 1000,
                need,
                round(write_pages * costs.page_us),
                round(costs.link_us(b"".join(stretches), write_pages)),
                protected,
                round(pages * costs.page_us),
                round(link),
            )
        else:
            leaf = Leaf(
                address,
                size,
                erase_times_ms(region, chip, size)[0] * 1000,
                need,
                round(pages * costs.page_us),
                round(link),
                protected,
            )
        leaves.append(leaf)
    return leaves


def _need(own: Sequence[GranuleDifference], content: bytes) -> Need:
    if not own:
        return Need.KEEP
    if all(difference.reason in (Reason.BLANK, Reason.CLEARS) for difference in own):
        return Need.WRITE
    return Need.REWRITE if content.strip(b"\xff") else Need.ERASE_ONLY


def _is_vector_blank(vectors: int | None, differences: Sequence[GranuleDifference]) -> bool:
    """Nothing can boot from a blank vector table, so its unit needs no erase to guard the run."""
    return any(
        vectors is not None and d.address <= vectors < d.end and d.reason == Reason.BLANK for d in differences
    )


def _by_leaf(region: Region, differences: Sequence[GranuleDifference]) -> dict[int, list[GranuleDifference]]:
    found: dict[int, list[GranuleDifference]] = {}
    units = iter(leaf_units(region))
    address, size = next(units)
    for difference in differences:
        while difference.address >= address + size:
            address, size = next(units)
        found.setdefault(address, []).append(difference)
    return found


def _refuse_protected(board: Board, region: Region, differences: Sequence[GranuleDifference]) -> None:
    """A protected range is neither erased nor written; it may already hold its part of the image."""
    for difference in differences:
        if _protected(region, difference.address, difference.size):
            raise BoardflashError(
                "the image has other bytes here than the device, but the board file protects this range;"
                " leave it out of the image, or out of [[protect]]",
                where=f"{board.name}: {region.name} {difference.address:#010x}",
            )


def _protected(region: Region, address: int, size: int) -> bool:
    return overlaps(region.protect, address, size)


def overlaps(ranges: Sequence[tuple[int, int]], address: int, size: int) -> bool:
    """Whether one of the ranges (address, size) has a byte in this stretch."""
    return any(start < address + size and address < start + length for start, length in ranges)


def _fill(
    work: RegionWork,
    image: RegionImage,
    differences: Sequence[GranuleDifference],
    leaves: Sequence[Leaf],
    plan: ErasePlan,
    guard_at: int | None,
    page_size: int,
) -> None:
    units: list[Unit] = []
    by_leaf = _by_leaf(work.region, differences)
    for erase in plan.erases:
        inside = [d for d in differences if erase.address <= d.address < erase.end]
        units.append(
            Unit(
                erase.address,
                erase.size,
                True,
                erase.whole_chip,
                (),
                (),
                uncovered(image, erase.address, erase.size),
                _why_erased(inside, erase.reason.taken_along, guard_at == erase.address),
            )
        )
    spans = deque((erase.address, erase.end) for erase in plan.erases)
    for leaf in leaves:
        while spans and spans[0][1] <= leaf.address:
            spans.popleft()
        if leaf.need != Need.WRITE or (spans and spans[0][0] <= leaf.address):
            continue
        pieces = tuple(
            Piece(d.address, d.size, digest_of(image.read(d.address, d.size))) for d in by_leaf[leaf.address]
        )
        last = units[-1] if units and not units[-1].erase else None
        writes = tuple(stretch for d in by_leaf[leaf.address] for stretch in d.writes)
        beside = _beside(image, writes, page_size)
        reason = _why_not_erased(by_leaf[leaf.address])
        joins = last is not None and last.end == leaf.address and last.size < JOINED and last.reason == reason
        if last is not None and joins and guard_at not in (last.address, leaf.address):
            units[-1] = replace(
                last,
                size=last.size + leaf.size,
                pieces=last.pieces + pieces,
                writes=last.writes + writes,
                outside=last.outside + beside,
            )
        else:
            units.append(Unit(leaf.address, leaf.size, False, False, pieces, writes, beside, reason))
    units.sort(key=lambda unit: unit.address)
    for unit in units:
        if unit.address == guard_at:
            work.guard = unit
        else:
            work.units.append(unit)


def _why_not_erased(own: Sequence[GranuleDifference]) -> str:
    if all(difference.reason == Reason.BLANK for difference in own):
        return "the device is blank here"
    return "bits only clear here, no erase is needed"


def _beside(
    image: RegionImage, writes: Sequence[tuple[int, int]], page_size: int
) -> tuple[tuple[int, int], ...]:
    """What shares a page with what is programmed: a program that loses its power may leave anything there."""
    found: list[tuple[int, int]] = []
    end = 0
    for address, size in writes:
        first = max(address - address % page_size, end)
        end = address + size + -(address + size) % page_size
        found.extend(uncovered(image, first, end - first) if end > first else ())
    return tuple(found)


def _why_erased(inside: Sequence[GranuleDifference], taken_along: int, guard: bool) -> str:
    if not inside and guard:
        return "boot guard: holds the vector table, written last because other units change"
    stale = [d for d in inside if d.reason not in (Reason.BLANK, Reason.CLEARS)]
    shown = stale or inside
    places = ", ".join(f"{d.address:#010x}" for d in shown[:3])
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    text = f"digest differs at {places}{more}, "
    text += "bits must rise" if stale else "one erase is faster than clearing bits"
    if taken_along:
        text += f"; {taken_along} right units taken along, since one larger erase is faster"
    return text


def _link_us_per_byte(board: Board) -> float:
    return SWD_CLOCKS_PER_BYTE * 1000 / board.probe.speed_khz


def count_pages(content: bytes, page_size: int) -> int:
    """Pages that are not all FFh: the ones that cost programming time."""
    blank = bytes([ERASED]) * page_size
    return sum(
        1
        for at in range(0, len(content), page_size)
        if content[at : at + page_size] != blank[: len(content) - at]
    )
