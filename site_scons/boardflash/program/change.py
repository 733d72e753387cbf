"""The steps that change one region: erase a unit, then program it by the cheapest way to its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from boardflash.description.model import Board, Chip, Region
from boardflash.image.model import ERASED, Piece, RegionImage, digest_of
from boardflash.loader.protocol import REGION_NUMBERS, Operation
from boardflash.plan.difference import GranuleDifference, Reason
from boardflash.program.chunks import CHUNK_MIN, RAW_CHUNK, ChunkSizes, joined, packed, stretches
from boardflash.program.journal import Preserved
from boardflash.program.progress import Progress
from boardflash.program.pump import Pump
from boardflash.program.report import RegionReport, UnitReason
from boardflash.program.steps import Load, Step
from boardflash.program.work import Costs, Unit, count_pages, erase_times_ms, internal_costs, qspi_costs

Parts = tuple[tuple[int, bytes], ...]  # (address, bytes)
#: A granule that packs into less is sent rather than copied: another command costs as much.
WORTH_COPYING = 1024
#: What is brought ahead: so many pieces of the least length, then longer ones.
AHEAD_SHORT = 4
AHEAD_CHUNK = 16 * 1024
#: What a call of the link costs beside its bytes, roughly.
CALL_S = 0.002
_BLANK = bytes([ERASED])


@dataclass(frozen=True)
class UnitTask:
    """One unit: what is programmed into it, and what it must hold afterwards."""

    unit: Unit
    writes: Parts
    holds: Parts  # a whole erased unit, or the granules of one that was not erased
    preserved: tuple[Preserved, ...]

    def pieces(self, base: int, granule: int) -> list[Piece]:
        """What to digest after the last write, cut at granules; what shares a page with it comes along."""
        found = []
        beside = () if self.unit.erase else ((item.address, item.data) for item in self.preserved)
        for address, data in joined(sorted([*self.holds, *beside])):
            at = 0
            while at < len(data):
                step = min(granule - (address + at - base) % granule, len(data) - at)
                found.append(Piece(address + at, step, digest_of(data[at : at + step])))
                at += step
        return found


def task_of(unit: Unit, image: RegionImage, kept: tuple[Preserved, ...]) -> UnitTask:
    """The unit with its bytes: image over neighbours over blank."""
    if not unit.erase:
        holds = tuple((p.address, image.read(p.address, p.size)) for p in unit.pieces)
        writes = tuple((address, image.read(address, size)) for address, size in unit.writes)
        return UnitTask(unit, tuple(joined(sorted(writes))), tuple(joined(sorted(holds))), kept)
    content = bytearray(image.read(unit.address, unit.size))
    for item in kept:
        at = item.address - unit.address
        content[at : at + len(item.data)] = item.data
    whole = ((unit.address, bytes(content)),)
    return UnitTask(unit, whole, whole, kept)


class Changes:
    """Erase and program steps of one region, and what the report says of them."""

    def __init__(
        self,
        board: Board,
        chip: Chip | None,
        region: Region,
        report: RegionReport,
        progress: Progress,
        pump: Pump,
    ) -> None:
        self.costs: Costs = qspi_costs(board, chip) if chip else internal_costs(board)
        self._board = board
        self._chip = chip
        self._region = region
        self._report = report
        self._progress = progress
        device_us = self.costs.page_us / self.costs.page_size
        self._sizes = ChunkSizes(
            pump.chunk_bytes(REGION_NUMBERS[region.name]), device_us / self.costs.link_us_per_byte
        )
        self._sources: dict[bytes, int] = {}  # digest -> a granule of the device that holds such bytes
        self._holds: dict[int, bytes] = {}  # the same, from the granule's address
        self._brought: dict[int, tuple[Step, bytes]] = {}  # `ahead` of the plan, by address
        self._link_decides = device_us < self.costs.link_us_per_byte
        self._blank: set[int] = set()  # granules that are going to be programmed, and need no erase
        self._handed_out = self._done = 0  # program steps; they are done in their order
        self._at_end: tuple[int, Callable[[], None]] | None = None

    def plan(self, units: Sequence[Unit], image: RegionImage) -> None:
        """These units are going to be changed."""
        page = self.costs.page_size
        total = sum(
            page * count_pages(image.read(address, size), page)
            for unit in units
            for address, size in (((unit.address, unit.size),) if unit.erase else unit.writes)
        )
        self._sizes.plan(total, at_once=not any(unit.erase for unit in units))

    def know(self, digests: Mapping[tuple[int, int], bytes]) -> None:
        """What the device holds: whole granules of it may be copied instead of sent."""
        for (address, size), digest in digests.items():
            if size == self._region.granule and self._sources.setdefault(digest, address) == address:
                self._holds[address] = digest

    def expect(self, differences: Sequence[GranuleDifference]) -> None:
        """These granules are going to be changed, unless something speaks against it."""
        self._blank = {d.address for d in differences if d.reason == Reason.BLANK}

    def at_end(self, action: Callable[[], None]) -> None:
        """Do this when all program steps that were handed out by now are done."""
        self._at_end = self._handed_out, action
        self._look_at_end()

    def _look_at_end(self) -> None:
        if self._at_end is not None and self._done >= self._at_end[0]:
            action, self._at_end = self._at_end[1], None
            action()

    def erase(self, unit: Unit) -> Step:
        self._forget(unit.address, unit.size)

        def done() -> None:
            self._report.erases[unit.size] = self._report.erases.get(unit.size, 0) + 1
            self._progress.advance(0)

        typ_ms, max_ms = erase_times_ms(self._region, self._chip, unit.size, whole_chip=unit.whole_chip)
        return Step(
            Operation.ERASE,
            unit.address,
            0 if unit.whole_chip else unit.size,
            expected_s=typ_ms / 1000,
            limit_s=self._board.mcu.clock.patience_s(max_ms),
            done=done,
        )

    def program(self, task: UnitTask) -> Iterator[Step]:
        programmed = 0
        for address, data in task.writes:
            self._forget_within(address, len(data))
            for step, length in self._program_part(address, data):
                programmed += length
                self._handed_out += 1
                yield replace(step, done=partial(self._step_done, step.done))
        self._learn(task.writes)
        self._note_reason(
            UnitReason(task.unit.address, task.unit.size, task.unit.erase, programmed, task.unit.reason)
        )

    def _step_done(self, done: Callable[[], None] | None) -> None:
        if done is not None:
            done()
        self._done += 1
        self._look_at_end()

    def _program_part(self, address: int, data: bytes) -> Iterator[tuple[Step, int]]:
        """One stretch of bytes: what the device has elsewhere is copied there, the rest is sent."""
        sent_to = 0
        for at, source in self._copies(address, data):
            yield from self._send(address + sent_to, data[sent_to:at])
            sent_to = at + self._region.granule
            yield self._copy(address + at, data[at:sent_to], source), self._region.granule
        yield from self._send(address + sent_to, data[sent_to:])

    def _copies(self, address: int, data: bytes) -> Iterator[tuple[int, int]]:
        """(offset, source's address) of the granules that are worth copying."""
        granule = self._region.granule
        if not self._sources or len(data) < granule:
            return
        first = -(address - self._region.base) % granule
        for at in range(first, len(data) - granule + 1, granule):
            piece = data[at : at + granule]
            source = self._sources.get(digest_of(piece))
            if source is not None and source != address + at and len(packed(piece) or piece) >= WORTH_COPYING:
                yield at, source

    def _send(self, address: int, data: bytes) -> Iterator[tuple[Step, int]]:
        while (step := self._brought.get(address)) is not None and data.startswith(step[1]):
            # Its data may be on the target already.
            self._sizes.sent(len(step[1]))
            yield step[0], len(step[1])
            address, data = address + len(step[1]), data[len(step[1]) :]
        for at, length in stretches(address, data, self.costs.page_size, self._sizes.next):
            self._sizes.sent(length)
            yield from self._program_steps(at, data[at - address : at - address + length])

    def _program_steps(self, address: int, data: bytes) -> Iterator[tuple[Step, int]]:
        """One packed, or several as they are."""
        if len(data) <= RAW_CHUNK or packed(data) is not None:
            yield self._program_step(address, data), len(data)
            return
        at = 0
        while at < len(data):
            # Cut where pages end, wherever the first begins.
            size = min(RAW_CHUNK - (address + at) % self.costs.page_size, len(data) - at)
            yield self._program_step(address + at, data[at : at + size]), size
            at += size

    def ahead(self, image: RegionImage) -> Iterator[Load]:
        """The image's first bytes: needed if they differ, and there is time while the device digests."""
        brought = 0
        for run in image.runs:
            at = 0
            while at + CHUNK_MIN <= run.size:
                # Short ones first: they fit into a short digest. Many of them would fill the ring.
                size = CHUNK_MIN if brought < AHEAD_SHORT or at + AHEAD_CHUNK > run.size else AHEAD_CHUNK
                data = run.data[at : at + size]
                address, at = run.address + at, at + size
                if not data.strip(_BLANK):
                    continue
                brought += 1
                step = self._program_step(address, data)
                if step.expands:
                    return  # so little is sent in no time, and in longer pieces
                self._brought[address] = (step, data)
                seconds = len(step.upload) * self.costs.link_us_per_byte / 1e6 + CALL_S
                yield Load(step, seconds, partial(self._waits_for_link, address))

    def _waits_for_link(self, address: int) -> bool:
        first = address - (address - self._region.base) % self._region.granule
        return self._link_decides and first in self._blank

    def _learn(self, writes: Parts) -> None:
        """What has been programmed can be copied from then on: the commands of a region are done in order."""
        granule = self._region.granule
        for address, data in writes:
            for at in range(-(address - self._region.base) % granule, len(data) - granule + 1, granule):
                digest = digest_of(data[at : at + granule])
                if self._sources.setdefault(digest, address + at) == address + at:
                    self._holds[address + at] = digest

    def _forget(self, address: int, size: int) -> None:
        for at in range(address, address + size, self._region.granule):
            self._sources.pop(self._holds.pop(at, b""), None)

    def _forget_within(self, address: int, size: int) -> None:
        """These granules are about to hold other bytes."""
        first = address - (address - self._region.base) % self._region.granule
        self._forget(first, address + size - first)

    def _note_reason(self, new: UnitReason) -> None:
        """The guarded unit is programmed in two goes and told once."""
        last = self._report.reasons[-1] if self._report.reasons else None
        if last is not None and last.address == new.address:
            total = last.bytes_programmed + new.bytes_programmed
            self._report.reasons[-1] = replace(new, bytes_programmed=total)
        else:
            self._report.reasons.append(new)

    def page(self, unit: Unit, address: int, data: bytes) -> Step:
        """One page as it is, by itself: a trial. Where a page may be programmed again, `program` does it with
        the others, and counts it; else this does."""
        self._forget_within(address, len(data))
        if self._chip is not None and self._chip.clear_only_program:
            self._report.trial_bytes = len(data)
            return replace(self._program_step(address, data, pack=False), done=None)
        self._note_reason(UnitReason(unit.address, unit.size, unit.erase, len(data), unit.reason))
        return self._program_step(address, data, pack=False)

    def _copy(self, address: int, data: bytes, source: int) -> Step:
        plain = self._program_step(address, data, pack=False, copied=True)
        return replace(plain, operation=Operation.COPY, argument=source, upload=b"", space=len(data))

    def _program_step(self, address: int, data: bytes, *, pack: bool = True, copied: bool = False) -> Step:
        width = self._board.mcu.flash.program_bytes if self._chip is None else 1
        head, tail = address % width, -(address + len(data)) % width
        upload = b"\xff" * head + data + b"\xff" * tail
        first_page = address - address % self.costs.page_size
        pages = count_pages(b"\xff" * (address - first_page) + data, self.costs.page_size)

        block = packed(upload) if pack else None
        sent = len(upload if block is None else block)

        def done() -> None:
            self._report.pages_programmed += pages
            self._report.bytes_programmed += len(data)
            self._report.bytes_sent += 0 if copied else sent
            self._report.bytes_copied += len(data) if copied else 0
            self._progress.advance(len(data))

        return Step(
            Operation.PROGRAM if block is None else Operation.PROGRAM_LZ4,
            address - head,
            len(upload),
            upload=upload if block is None else block,
            expands=block is not None,
            expected_s=pages * self.costs.page_us / 1e6,
            limit_s=self._limit_s(pages),
            done=done,
        )

    def _limit_s(self, pages: int) -> float:
        if self._chip is not None:
            max_us: float = self._chip.program.max_us
        else:
            flash = self._board.mcu.flash
            max_us = self.costs.page_size / flash.program_bytes * flash.program_max_us
        return 1.0 + self._board.mcu.clock.patience_s(pages * max_us / 1000)


def cut_out(parts: Parts, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """What of the parts lies in that range."""
    for address, data in parts:
        low, high = max(address, start), min(address + len(data), start + size)
        if low < high:
            yield low, data[low - address : high - address]


def without_head(parts: Parts, start: int, size: int) -> tuple[Parts, Parts]:
    """All but what lies in that range, and that."""
    if not parts:
        return (), ()
    low, high = parts[0][0], parts[-1][0] + len(parts[-1][1])
    rest = (
        *cut_out(parts, low, max(0, start - low)),
        *cut_out(parts, start + size, max(0, high - start - size)),
    )
    return rest, tuple(cut_out(parts, start, size))
