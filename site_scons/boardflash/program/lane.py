"""One region's way from what it holds to what it must hold, beside the other region's.

    digest -> prove -> inspect -> plan the difference -> keep the neighbours -> erase and program -> verify

The lanes of both regions run at once and wait for each other in three places: nothing changes before no
refusal can come any more; other memories change after the vector table's unit is erased; that unit is
written after all else is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from boardflash.description.model import Board, Chip, Region
from boardflash.errors import BoardflashError
from boardflash.image.model import ERASED, Piece, RegionImage
from boardflash.loader.protocol import REGION_NUMBERS, Operation, Result, SetUp, Way
from boardflash.plan.difference import GranuleDifference, Reason, compare
from boardflash.program.change import Changes, UnitTask, cut_out, task_of, without_head
from boardflash.program.clears import Inspection
from boardflash.program.failures import Mismatch
from boardflash.program.first_change import FirstChange
from boardflash.program.journal import Journal
from boardflash.program.neighbours import READ_CHUNK, Neighbours
from boardflash.program.progress import Progress
from boardflash.program.prove import Prover
from boardflash.program.report import RegionReport
from boardflash.program.session import Session
from boardflash.program.steps import Item, Load, Mark, Step, Wait
from boardflash.program.survey import Digests, digest_steps
from boardflash.program.work import RegionWork, Unit, leaf_units, overlaps, plan_work

#: Stack pointer and reset vector: without them no Cortex-M boots (ARMv7-M B1.5.3).
VECTOR_HEAD = 8
UNPROTECT_LIMIT_S = 5.0


@dataclass(frozen=True)
class LaneOptions:
    force: bool = False  # write everything, whatever the device holds
    guard_always: bool = False  # boot_guard = "always": also when other memories change alone
    vectors: int | None = None  # where the plan's image begins, if the journal lies around it


class Lane:
    """The work of one region on one device."""

    def __init__(
        self,
        session: Session,
        board: Board,
        image: RegionImage,
        journal: Journal,
        report: RegionReport,
        progress: Progress,
        options: LaneOptions,
    ) -> None:
        self.number = REGION_NUMBERS[image.name]
        self.region: Region = board.region(image.name)
        self.image = image
        self.report = report
        self.differs = False
        self.surveyed = False
        self.cleared = False  # nothing can be refused here any more
        # The vector table's unit is erased, or needs no guard; only internal flash has one.
        self.guarded = image.name != "internal"
        self.verified = False  # all but the vector table's unit
        self.work: RegionWork | None = None
        self._session = session
        self._board = board
        self._chip: Chip | None = session.found.chip if image.name == "qspi" else None
        self._journal = journal
        self._progress = progress
        self._options = options
        self._others: Sequence[Lane] = ()
        self._digests: Digests = {}
        way = Way.BOTH if self._chip is not None else Way.MODE
        self._neighbours = Neighbours(session.loader, journal, report, way)
        self.prover: Prover | None = None
        if self._chip is not None:
            self.prover = Prover(session, board, self.region, self._chip, image, report)
            mirror = Neighbours(session.loader, journal, RegionReport(image.name), way)
            self.first = FirstChange(self.prover, image, journal, mirror)
        self._unprotected = self._chip is None
        self._changes = Changes(board, self._chip, self.region, report, progress, session.pump)
        self._expected: list[Piece] = []
        self._written = False  # all but the vector table's unit
        self._guard_rest: tuple[UnitTask, list[Step]]
        self._guard_head: tuple[UnitTask, list[Step]]

    def beside(self, others: Sequence[Lane]) -> None:
        """The lanes that run at the same time."""
        self._others = others

    def steps(self) -> Iterator[Item]:
        yield from self._survey()
        yield from self._decide()
        assert self.work is not None
        if self.work.all_units:
            yield Wait(lambda: all(lane.cleared for lane in self._others))
            yield from self._change(self.work)
        self.verified = True
        if self.work.guard is not None:
            yield Wait(lambda: all(lane.verified for lane in self._others))
            yield from self._write_guard(self.work.guard)

    def ahead(self) -> Iterator[Load]:
        """Data that is worth bringing over while the device digests."""
        return self._changes.ahead(self.image)

    def bytes_of(self, piece: Piece) -> bytes:
        """What a piece of a changed unit should hold."""
        units = self.work.all_units if self.work is not None else ()
        unit = next(unit for unit in units if unit.address <= piece.address < unit.end)
        task = self._task(unit)
        parts = [*task.holds, *((item.address, item.data) for item in task.preserved)]
        found = bytearray([ERASED]) * piece.size
        for address, data in cut_out(tuple(parts), piece.address, piece.size):
            found[address - piece.address : address - piece.address + len(data)] = data
        return bytes(found)

    def tell(self) -> None:
        """Lines that belong to the report when all is done."""

    # What the device holds

    def _survey(self) -> Iterator[Item]:
        """Digests of every piece; first those that might be refused: the other lane waits for them."""
        pieces = self.image.pieces(self.region.granule)
        delicate = self._delicate(pieces)
        if delicate:
            yield from self._digest(delicate, self._digests)
            yield Wait()
        if all(self._digests.get((p.address, p.size)) == p.digest for p in delicate):
            self.cleared = True
        rest = pieces if not delicate else [p for p in pieces if (p.address, p.size) not in self._digests]
        yield from self._digest(rest, self._digests, self._progress.advance)
        yield Wait()
        self._changes.know(self._digests)

    def _delicate(self, pieces: Sequence[Piece]) -> list[Piece]:
        """What shares an erase unit with a protected range."""
        if not self.region.protect:
            return []
        units = [(a, s) for a, s in leaf_units(self.region) if overlaps(self.region.protect, a, s)]
        return [p for p in pieces if overlaps(units, p.address, p.size)]

    def _digest(
        self, pieces: Sequence[Piece], found: Digests, advanced: Callable[[int], None] = lambda size: None
    ) -> Iterator[Item]:
        yield from digest_steps(self._session.loader, pieces, self.region.granule, found, advanced)

    # What is to be done

    def _decide(self) -> Iterator[Item]:
        differences = compare(self.image, self.region.granule, self._digests)
        self._changes.expect(differences)
        if self.prover is not None and (differences or self._options.force):
            yield from self.prover.steps()
        self.report.granules_differing = len(differences)
        if self._options.force:
            differences = self._everything(differences)
        elif self._may_clear():
            inspection = Inspection(
                self._session.loader,
                self.image,
                self.region.granule,
                self._changes.costs.page_size,
                differences,
            )
            yield from inspection.steps()
            differences = tuple(inspection.differences)
        self.differs, self.surveyed = bool(differences), True
        force_guard = False
        if self._options.guard_always and self.region.name == "internal":
            yield Wait(lambda: all(lane.surveyed for lane in self._others))
            force_guard = self.differs or any(lane.differs for lane in self._others)
        work = self._plan_work(differences, force_guard)
        self.report.bytes_unchanged = min(work.unchanged, self.report.image_bytes)
        self.report.bytes_verified = self.report.bytes_unchanged  # by this session's first digest
        self.work = work
        self.guarded = work.guard is None or not work.guard.erase
        self.cleared = True
        if all(lane.work is not None for lane in self._others):
            works = [lane.work for lane in (self, *self._others) if lane.work is not None]
            total = sum(unit.size for each in works for unit in each.all_units)
            if total:
                self._progress.phase("program", total)

    def _plan_work(self, differences: Sequence[GranuleDifference], force_guard: bool) -> RegionWork:
        return plan_work(
            self._board,
            self.region,
            self._chip,
            self.image,
            differences,
            force_guard=force_guard,
            vectors=self._options.vectors,
        )

    def _may_clear(self) -> bool:
        return self._chip.clear_only_program if self._chip else self._board.mcu.flash.clear_only_program

    def _everything(self, differences: Sequence[GranuleDifference]) -> tuple[GranuleDifference, ...]:
        """Every piece as if it differed; protected ones only where they do."""
        blank = {d.address for d in differences if d.reason == Reason.BLANK}
        differing = {d.address for d in differences}
        return tuple(
            GranuleDifference(
                p.address, p.size, Reason.BLANK if p.address in blank else Reason.DIGEST_DIFFERS
            )
            for p in self.image.pieces(self.region.granule)
            if p.address in differing or not overlaps(self.region.protect, p.address, p.size)
        )

    # Change it

    def _change(self, work: RegionWork) -> Iterator[Item]:
        guard = [work.guard] if work.guard is not None else []
        self._changes.plan(work.all_units, self.image)
        crowded = [unit for unit in work.units if unit.outside]
        yield from self._neighbours.blank_checks([*guard, *crowded])
        if guard:
            yield from self._keep(guard)
            yield from self._erase_guard(guard[0])
        yield Wait(lambda: all(lane.guarded for lane in self._others))
        units = list(work.units)
        yield from self._change_first(units)
        crowded = [unit for unit in units if unit.outside]
        yield from self._change_beside([unit for unit in units if not unit.outside], crowded)
        yield from self._keep(crowded, asked=True)
        for unit in crowded:
            yield from self._change_unit(unit)
        self._changes.at_end(self._wrote)
        if guard:
            yield from self._prepare_guard(guard[0])
        # No wait: the device takes the digests of its memory when it has done all before them.
        yield from self._verify([self._task(unit) for unit in work.units], boots=False)
        self._settle(work.units)

    def _wrote(self) -> None:
        """All but the vector table's unit."""
        self._written = True
        if all(lane._written or lane.verified for lane in self._others):
            self._progress.phase("verify", 0)

    def _change_beside(self, units: Sequence[Unit], crowded: Sequence[Unit]) -> Iterator[Item]:
        """Units without neighbours first. What the crowded ones have is read as soon as it is known where,
        behind the first unit at the latest: it crosses the link while the next are erased and programmed."""
        asked = not crowded
        for unit in units:
            for item in self._change_unit(unit):
                yield item
                if not asked and self._neighbours.all_checked():
                    asked = True
                    yield from self._neighbours.reads(crowded, self._read_bytes())
            if not asked:
                asked = True
                yield Wait(self._neighbours.all_checked)
                yield from self._neighbours.reads(crowded, self._read_bytes())
        if not asked:
            yield Wait(self._neighbours.all_checked)
            yield from self._neighbours.reads(crowded, self._read_bytes())

    def _read_bytes(self) -> int:
        return min(READ_CHUNK, self._session.pump.chunk_bytes(self.number))

    def _task(self, unit: Unit) -> UnitTask:
        return task_of(unit, self.image, self._neighbours.of(unit))

    def _keep(self, units: Sequence[Unit], *, asked: bool = False) -> Iterator[Item]:
        """The neighbours of these units are on disk before the next step is taken."""
        if not any(unit.outside for unit in units):
            return
        if not asked:
            yield Wait(self._neighbours.all_checked)
            yield from self._neighbours.reads(units, self._read_bytes())
        yield Wait(self._neighbours.all_read)
        self._neighbours.record(units)

    def _change_first(self, units: list[Unit]) -> Iterator[Item]:
        """Where nothing has proved the chip: one unit, with a look at what comes of it; it leaves `units`."""
        if self.prover is None or not units or not self.first.needed:
            return
        unit = self.first.choose(units)
        yield from self.first.before(unit)
        if not self.first.needed:
            return  # it was enough to look more closely
        if unit.outside:
            yield from self._keep([unit])
        units.remove(unit)
        yield from self._unprotect()
        yield Mark(inside=True)
        self.first.begin()
        self._journal.begin(unit.address)
        if unit.erase:
            yield self._changes.erase(unit)
            yield from self.first.after_erase(unit)
        task = self._task(unit)
        yield from self.first.first_page(task, self._changes.page)
        rest = self.first.rest(task)
        self.first.settle()
        yield from self._changes.program(rest)
        yield Mark(inside=False)

    def _unprotect(self) -> Iterator[Item]:
        """Block protection is lifted when the chip is proved and is going to be changed, not before."""
        if self._unprotected or self._chip is None:
            return
        self._unprotected = True
        chip = self._chip

        def answer(result: Result, _buffer: int) -> None:
            lifted = SetUp(result.registers[0])
            how = (
                "until its next reset" if chip.volatile_status else "for good, the chip has no volatile bits"
            )
            if SetUp.PROTECTION in lifted:
                self.report.notes.append(f"block protection lifted {how}")
            if SetUp.BLOCK_LOCKS in lifted:
                self.report.notes.append("all block locks cleared until its next power-up")

        yield Step(Operation.UNPROTECT, self.region.base, 0, limit_s=UNPROTECT_LIMIT_S, answer=answer)

    def _change_unit(self, unit: Unit) -> Iterator[Item]:
        yield from self._unprotect()
        yield Mark(inside=True)
        self._journal.begin(unit.address)
        if unit.erase:
            yield self._changes.erase(unit)
        yield from self._changes.program(self._task(unit))
        yield Mark(inside=False)

    def _verify(self, tasks: Sequence[UnitTask], *, boots: bool, told: int = 0) -> Iterator[Item]:
        """Digest every granule of the touched units, after the last write; raise where one is wrong."""
        expected = [p for task in tasks for p in task.pieces(self.region.base, self.region.granule)]
        found: Digests = {}
        yield from self._digest(expected, found)
        yield Wait()
        for piece in expected:
            if not boots:
                self.report.bytes_verified += piece.size
            digest = found.get((piece.address, piece.size))
            if digest != piece.digest:
                raise self._mismatch(piece, digest, boots=boots)
        self.report.bytes_verified += told

    def _mismatch(self, piece: Piece, digest: bytes | None, *, boots: bool) -> BoardflashError:
        assert self.work is not None
        state = "" if boots or self.work.guard is None else "; the boot unit has not been written"
        return Mismatch(
            f"verify failed: {piece.size} bytes were written and do not read back{state}",
            where=f"{self._board.name}: {self.region.name} {piece.address:#010x}",
            piece=piece,
        )

    def _settle(self, units: Sequence[Unit]) -> None:
        """The units are written and verified: their journal entries go."""
        for unit in units:
            self._journal.forget_within(unit.address, unit.size)

    # The vector table's unit

    def _erase_guard(self, guard: Unit) -> Iterator[Item]:
        """Before anything else changes: what boots no more can't boot half-written."""
        if not guard.erase:
            return
        self._journal.begin(guard.address)
        step = self._changes.erase(guard)
        done = step.done

        def erased() -> None:
            self.guarded = True
            if done is not None:
                done()

        yield replace(step, done=erased)

    def _prepare_guard(self, guard: Unit) -> Iterator[Load]:
        """Its data may come while all else is still being programmed and verified."""
        rest, head = self._guard_tasks(guard)
        self._guard_rest = rest, list(self._changes.program(rest))
        self._guard_head = head, list(self._changes.program(head))
        yield from map(Load, [*self._guard_rest[1], *self._guard_head[1]])

    def _write_guard(self, guard: Unit) -> Iterator[Item]:
        """All of the unit but stack pointer and reset vector, and these when the rest is verified, too."""
        self._journal.begin(guard.address)
        rest, steps = self._guard_rest
        yield Mark(inside=True)
        yield from steps
        yield Mark(inside=False)
        yield Wait()
        yield from self._verify([rest], boots=False)
        head, steps = self._guard_head
        yield from steps
        yield Wait()
        told = sum(len(data) for _, data in head.holds)
        yield from self._verify([self._head_granule(guard)], boots=True, told=told)
        self._settle([guard])

    def _guard_tasks(self, guard: Unit) -> tuple[UnitTask, UnitTask]:
        task = self._task(guard)
        width = self._board.mcu.flash.program_bytes if self._chip is None else 1
        start, size = self._vectors, max(VECTOR_HEAD, width)
        rest_writes, head_writes = without_head(task.writes, start, size)
        rest_holds, head_holds = without_head(task.holds, start, size)
        return (
            replace(task, writes=rest_writes, holds=rest_holds),
            replace(task, writes=head_writes, holds=head_holds, preserved=()),
        )

    def _head_granule(self, guard: Unit) -> UnitTask:
        """The granule with the vectors, for the last digest of all."""
        task, granule = self._task(guard), self.region.granule
        first = self._vectors - (self._vectors - self.region.base) % granule
        return replace(task, holds=tuple(cut_out(task.holds, first, granule)), preserved=())

    @property
    def _vectors(self) -> int:
        assert self.work is not None and self.work.vectors is not None
        return self.work.vectors
