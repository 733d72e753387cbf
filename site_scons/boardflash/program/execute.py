"""Carries out the work of both regions: keep the neighbours, erase, program, verify, vector table last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from boardflash.description.model import Board, Chip
from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import ERASED, Piece, RegionImage, digest_of
from boardflash.loader.protocol import REGION_NUMBERS, Operation, Result
from boardflash.loader.session import LoaderSession
from boardflash.program.journal import Journal, Preserved
from boardflash.program.progress import Progress
from boardflash.program.pump import Pump, Step
from boardflash.program.report import RegionReport, UnitReason
from boardflash.program.survey import BYTES_PER_SECOND_AT_LEAST, Digests, digest_steps
from boardflash.program.work import (
    Costs,
    RegionWork,
    Unit,
    count_pages,
    erase_times_ms,
    internal_costs,
    qspi_costs,
)

PROGRAM_CHUNK = 64 * 1024
#: Blank pages between written ones are sent along up to this many bytes: cheaper than another command.
SMALL_GAP = 1024
BLANK_CHECK_PIECE = 256
READ_CHUNK = 64 * 1024
READ_LIMIT_S = 5.0
#: Stack pointer and reset vector: without them no Cortex-M boots (ARMv7-M B1.5.3).
VECTOR_HEAD = 8


@dataclass
class UnitTask:
    """One unit with the bytes that it must hold afterwards."""

    unit: Unit
    parts: tuple[tuple[int, bytes], ...]  # (address, bytes): a whole erased unit, or pieces of a blank one
    preserved: tuple[Preserved, ...]

    def pieces(self, base: int, granule: int) -> list[Piece]:
        """What to digest after the last write, cut at granules; what shares a page with it comes along."""
        found = []
        beside = () if self.unit.erase else ((item.address, item.data) for item in self.preserved)
        for address, data in _merged([*self.parts, *beside]):
            at = 0
            while at < len(data):
                step = min(granule - (address + at - base) % granule, len(data) - at)
                found.append(Piece(address + at, step, digest_of(data[at : at + step])))
                at += step
        return found


class RegionJob:
    """The work of one region on one device."""

    def __init__(
        self,
        session: LoaderSession,
        board: Board,
        chip: Chip | None,
        work: RegionWork,
        journal: Journal,
        report: RegionReport,
        progress: Progress,
    ) -> None:
        self.work = work
        self.number = REGION_NUMBERS[work.region.name]
        self.report = report
        self._session = session
        self._board = board
        self._chip = chip if work.region.name == "qspi" else None
        self._journal = journal
        self._progress = progress
        self._costs: Costs = qspi_costs(board, self._chip) if self._chip else internal_costs(board)
        self._kept: dict[int, list[Preserved]] = {}
        self._written: list[tuple[Unit, int, int]] = []  # not blank, outside the image
        self._expected: list[Piece] = []
        self._head_bytes = 0

    # The neighbours

    def prepare(self, pump: Pump) -> None:
        """Fetch and journal the neighbours, so that they are on disk before anything is erased."""
        if any(unit.outside for unit in self.work.all_units):
            pump.run({self.number: self._blank_checks()})
            pump.run({self.number: self._reads()})
        for unit in self.work.all_units:
            kept = tuple(self._kept.get(unit.address, ()))
            if kept:
                self._journal.keep(unit.address, kept)

    def _blank_checks(self) -> Iterator[Step]:
        """Blank stretches outside the image stay behind: only the rest has to cross the link."""
        for unit in self.work.all_units:
            for address, size in unit.outside:
                yield self._blank_check(unit, address, size)

    def _reads(self) -> Iterator[Step]:
        for unit, address, size in self._written:
            for at in range(address, address + size, READ_CHUNK):
                yield self._read(unit, at, min(READ_CHUNK, address + size - at))

    def _blank_check(self, unit: Unit, address: int, size: int) -> Step:
        first = address - address % BLANK_CHECK_PIECE
        count = -(-(address + size - first) // BLANK_CHECK_PIECE)

        def answer(_result: Result, buffer: int) -> None:
            flags = self._session.link.read_memory(buffer, -(-count // 4) * 4)[:count]
            self._note_written(unit, address, size, first, flags)

        return Step(
            Operation.BLANK_CHECK,
            address,
            size,
            argument=BLANK_CHECK_PIECE,
            space=count,
            expected_s=size / 20e6,
            limit_s=READ_LIMIT_S + size / BYTES_PER_SECOND_AT_LEAST,
            answer=answer,
        )

    def _note_written(self, unit: Unit, address: int, size: int, first: int, flags: bytes) -> None:
        """Join the stretches that are alike: those not blank cost one read each, blank ones none."""
        at, index = address, 0
        while index < len(flags):
            alike = index + 1
            while alike < len(flags) and bool(flags[alike]) == bool(flags[index]):
                alike += 1
            end = min(first + alike * BLANK_CHECK_PIECE, address + size)
            if flags[index]:
                blank = Preserved(at, bytes([ERASED]) * (end - at))
                self._kept.setdefault(unit.address, []).append(blank)
            else:
                self._written.append((unit, at, end - at))
            at, index = end, alike

    def _read(self, unit: Unit, address: int, size: int) -> Step:
        def answer(_result: Result, buffer: int) -> None:
            data = self._session.link.read_memory(buffer, -(-size // 4) * 4)[:size]
            self._kept.setdefault(unit.address, []).append(Preserved(address, data))
            self.report.bytes_preserved += size

        return Step(
            Operation.READ,
            address,
            size,
            space=size,
            expected_s=size / 20e6,
            limit_s=READ_LIMIT_S,
            answer=answer,
        )

    # Erase and program

    def guard_erase_steps(self) -> Iterator[Step]:
        """The guarded unit is erased before any other."""
        guard = self.work.guard
        if guard is not None and guard.erase:
            self._journal.begin(guard.address)
            yield self._erase(guard)

    def main_steps(self) -> Iterator[Step]:
        """Every other unit is erased and programmed in turn."""
        for unit in self.work.units:
            self._journal.begin(unit.address)
            if unit.erase:
                yield self._erase(unit)
            yield from self._program(self.task(unit))

    def guard_tasks(self) -> tuple[UnitTask, UnitTask]:
        """The vector table's unit in two: all but stack pointer and reset vector, then these."""
        assert self.work.guard is not None
        task = self.task(self.work.guard)
        width = 1 if self._chip else self._board.mcu.flash.program_bytes
        rest, head = _without_head(task.parts, self.work.vectors, max(VECTOR_HEAD, width))
        self._head_bytes = sum(len(data) for _, data in head)
        return replace(task, parts=rest), replace(task, parts=head, preserved=())

    def guard_steps(self, task: UnitTask) -> Iterator[Step]:
        """One of the `guard_tasks`."""
        self._journal.begin(task.unit.address)
        yield from self._program(task)

    def task(self, unit: Unit) -> UnitTask:
        """The unit with its bytes: image over neighbours over blank."""
        image = self.work.image
        kept = tuple(self._kept.get(unit.address, ()))
        if not unit.erase:
            return UnitTask(unit, _joined(image, unit.pieces), kept)
        content = bytearray(image.read(unit.address, unit.size))
        for item in kept:
            at = item.address - unit.address
            content[at : at + len(item.data)] = item.data
        return UnitTask(unit, ((unit.address, bytes(content)),), kept)

    def _erase(self, unit: Unit) -> Step:
        def done() -> None:
            self.report.erases[unit.size] = self.report.erases.get(unit.size, 0) + 1
            self._progress.advance(0)

        typ_ms, max_ms = erase_times_ms(self.work.region, self._chip, unit.size, whole_chip=unit.whole_chip)
        return Step(
            Operation.ERASE,
            unit.address,
            0 if unit.whole_chip else unit.size,
            expected_s=typ_ms / 1000,
            limit_s=max_ms / 1000,
            done=done,
        )

    def _program(self, task: UnitTask) -> Iterator[Step]:
        programmed = 0
        for address, data in task.parts:
            for at, length in stretches(address, data, self._costs.page_size):
                step = self._program_step(at, data[at - address : at - address + length])
                programmed += length
                yield step
        self._note_reason(
            UnitReason(task.unit.address, task.unit.size, task.unit.erase, programmed, task.unit.reason)
        )

    def _note_reason(self, new: UnitReason) -> None:
        """The guarded unit is programmed in two goes and told once."""
        last = self.report.reasons[-1] if self.report.reasons else None
        if last is not None and last.address == new.address:
            total = last.bytes_programmed + new.bytes_programmed
            self.report.reasons[-1] = replace(new, bytes_programmed=total)
        else:
            self.report.reasons.append(new)

    def _program_step(self, address: int, data: bytes) -> Step:
        width = self._board.mcu.flash.program_bytes if self._chip is None else 1
        head, tail = address % width, -(address + len(data)) % width
        upload = b"\xff" * head + data + b"\xff" * tail
        first_page = address - address % self._costs.page_size
        pages = count_pages(b"\xff" * (address - first_page) + data, self._costs.page_size)

        def done() -> None:
            self.report.pages_programmed += pages
            self.report.bytes_programmed += len(data)
            self._progress.advance(len(data))

        expected = pages * self._costs.page_us / 1e6
        return Step(
            Operation.PROGRAM,
            address - head,
            len(upload),
            upload=upload,
            expected_s=expected,
            limit_s=self._program_limit_s(pages),
            done=done,
        )

    def _program_limit_s(self, pages: int) -> float:
        if self._chip is not None:
            return 1.0 + pages * self._chip.program.max_us / 1e6
        flash = self._board.mcu.flash
        return 1.0 + pages * (self._costs.page_size / flash.program_bytes) * flash.program_max_us / 1e6

    # Verify

    def verify_steps(self, tasks: Iterable[UnitTask], found: Digests) -> Iterator[Step]:
        """Digest every granule of the touched units, after the last write."""
        pieces: list[Piece] = []
        for task in tasks:
            pieces.extend(task.pieces(self.work.region.base, self.work.region.granule))
        self._expected = pieces
        yield from digest_steps(
            self._session, pieces, self.work.region.granule, found, lambda size: self._progress.advance(size)
        )

    def head_granule(self) -> UnitTask:
        """The granule with the vectors, for the last digest of all."""
        assert self.work.guard is not None and self.work.vectors is not None
        task, granule = self.task(self.work.guard), self.work.region.granule
        first = self.work.vectors - (self.work.vectors - self.work.region.base) % granule
        return replace(task, parts=tuple(_cut_out(task.parts, first, granule)), preserved=())

    def check(self, found: Digests, *, boots: bool) -> None:
        """Raise at the first granule that does not hold what was written; `boots`: the vectors are in."""
        state = "" if boots or self.work.guard is None else "the boot unit has not been written, "
        for piece in self._expected:
            digest = found.get((piece.address, piece.size))
            if not boots:
                self.report.bytes_verified += piece.size
            if digest != piece.digest:
                shown = digest.hex() if digest else "none"
                raise BoardflashError(
                    f"verify failed: {piece.size} bytes were written and do not read back (digest {shown},"
                    f" expected {piece.digest.hex()}); {state}run again or check supply and chip",
                    where=f"{self._board.name}: {self.work.region.name} {piece.address:#010x}",
                    code=ExitCode.VERIFY_FAILED,
                )

        if boots:  # the rest of the granule was counted before
            self.report.bytes_verified += self._head_bytes

    def settle(self, units: Sequence[Unit]) -> None:
        """The units are written and verified: their journal entries go."""
        for unit in units:
            self._journal.forget_within(unit.address, unit.size)


def _joined(image: RegionImage, pieces: Sequence[Piece]) -> tuple[tuple[int, bytes], ...]:
    """The bytes of the pieces, those that adjoin in one part."""
    spans: list[tuple[int, int]] = []
    for piece in pieces:
        if spans and spans[-1][1] == piece.address:
            spans[-1] = (spans[-1][0], piece.end)
        else:
            spans.append((piece.address, piece.end))
    return tuple((start, image.read(start, end - start)) for start, end in spans)


def _merged(parts: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """In address order, those that adjoin made one."""
    joined: list[tuple[int, list[bytes]]] = []
    end = -1
    for address, data in sorted(parts):
        if address == end:
            joined[-1][1].append(data)
        else:
            joined.append((address, [data]))
        end = address + len(data)
    return [(address, b"".join(pieces)) for address, pieces in joined]


def _cut_out(parts: Iterable[tuple[int, bytes]], start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """What of the parts lies in that range."""
    for address, data in parts:
        low, high = max(address, start), min(address + len(data), start + size)
        if low < high:
            yield low, data[low - address : high - address]


Parts = tuple[tuple[int, bytes], ...]


def _without_head(parts: Parts, vectors: int | None, head: int) -> tuple[Parts, Parts]:
    """All but the first bytes of the vector table, and these."""
    if vectors is None:
        return parts, ()
    low, high = parts[0][0] if parts else 0, parts[-1][0] + len(parts[-1][1]) if parts else 0
    rest = (
        *_cut_out(parts, low, max(0, vectors - low)),
        *_cut_out(parts, vectors + head, max(0, high - vectors - head)),
    )
    return rest, tuple(_cut_out(parts, vectors, head))


def stretches(address: int, data: bytes, page_size: int) -> Iterator[tuple[int, int]]:
    """(address, size) of what must be programmed: pages of all FFh left out, at most PROGRAM_CHUNK each."""
    start: int | None = None
    last = 0
    at = 0
    blank = bytes([ERASED]) * page_size
    while at < len(data):
        step = min(page_size - (address + at) % page_size, len(data) - at)
        if data[at : at + step] != blank[:step]:
            if start is not None and (at - last > SMALL_GAP or at + step - start > PROGRAM_CHUNK):
                yield address + start, last - start
                start = None
            start = at if start is None else start
            last = at + step
        at += step
    if start is not None:
        yield address + start, last - start
