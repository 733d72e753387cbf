"""The lane of a region that a vendor's loader writes: our flow, its functions.

    digest -> plan the difference -> keep the neighbours -> [its loader: erase and program] -> verify

Our loader and a vendor's can't run at once. So all that is read or digested first is read by ours (or, where
the board file has no chip facts, by the vendor's), the journal is on disk, the other region is done but for
its boot unit. Then the vendor's loader changes unit by unit, and ours looks at what has come of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from boardflash.description.model import Board
from boardflash.image.model import ERASED, Piece, RegionImage
from boardflash.loader.protocol import Way
from boardflash.plan.difference import GranuleDifference, Reason
from boardflash.program.change import Parts, UnitTask, cut_out, without_head
from boardflash.program.foreign_device import ForeignDevice, digest_items
from boardflash.program.journal import Journal, vendor_reader
from boardflash.program.lane import Lane, LaneOptions
from boardflash.program.neighbours import Neighbours
from boardflash.program.overlay import uncovered
from boardflash.program.progress import Progress
from boardflash.program.report import RegionReport, UnitReason
from boardflash.program.session import Session
from boardflash.program.steps import Alone, Item, Load, Wait
from boardflash.program.survey import Digests
from boardflash.program.work import RegionWork, Unit, plan_work

_BLANK = bytes([ERASED])


class ForeignLane(Lane):
    """The work of one region on one device, by a loader that is not ours."""

    def __init__(
        self,
        session: Session,
        board: Board,
        image: RegionImage,
        journal: Journal,
        report: RegionReport,
        progress: Progress,
        options: LaneOptions,
        device: ForeignDevice,
    ) -> None:
        super().__init__(session, board, image, journal, report, progress, options)
        self._device = device
        if device.reads:
            reader = vendor_reader(device.sha256)
            self._neighbours = Neighbours(session.loader, journal, report, Way.MODE, reader)
        self._told_late = 0  # bytes of the boot unit, programmed before its last page

    def ahead(self) -> Iterator[Load]:
        return iter(())

    def tell(self) -> None:
        """The report's last lines."""
        self._device.tell(self.report)

    # What the device holds, and what is to be done

    def _digest(
        self, pieces: Sequence[Piece], found: Digests, advanced: Callable[[int], None] = lambda size: None
    ) -> Iterator[Item]:
        granule = self.region.granule
        yield from digest_items(self._session.loader, self._device, pieces, granule, found, advanced)

    def _may_clear(self) -> bool:
        """Whether a page may be programmed twice is nothing that these formats tell."""
        return False

    def _plan_work(self, differences: Sequence[GranuleDifference], force_guard: bool) -> RegionWork:
        """A blank piece that shares a page with bytes of others is erased, too, unless facts say that a page
        may be programmed twice."""
        shared = [d for d in differences if d.reason == Reason.BLANK and self._shares_page(d)]
        work = plan_work(
            self._board,
            self.region,
            None,
            self.image,
            [replace(d, reason=Reason.DIGEST_DIFFERS) if d in shared else d for d in differences],
            force_guard=force_guard,
            vectors=self._options.vectors,
            costs=self._device.costs(),
        )
        stale = [d for d in differences if d.reason != Reason.BLANK]
        work.units = [self._with_reason(unit, shared, stale) for unit in work.units]
        return work

    def _shares_page(self, difference: GranuleDifference) -> bool:
        if not self._device.reads and super()._may_clear():
            return False
        first, last = self._pages(difference.address, difference.size)
        return bool(uncovered(self.image, first, last - first))

    def _with_reason(
        self, unit: Unit, shared: Sequence[GranuleDifference], stale: Sequence[GranuleDifference]
    ) -> Unit:
        def inside(differences: Sequence[GranuleDifference]) -> bool:
            return any(unit.address <= d.address < unit.end for d in differences)

        if unit.erase and inside(shared) and not inside(stale):
            return replace(
                unit, reason="the device is blank here, but a page is shared with bytes outside the image"
            )
        return unit

    def _pages(self, address: int, size: int) -> tuple[int, int]:
        page, base = self._device.page_size, self.region.base
        first = address - (address - base) % page
        end = address + size
        return first, end + (base - end) % page

    # Change it

    def _change(self, work: RegionWork) -> Iterator[Item]:
        yield from self._keep_all(work.all_units)
        if work.guard is not None and work.guard.erase:
            guard = work.guard
            yield Alone(lambda: self._erase_only(guard), changes=True)
        yield Wait(lambda: all(lane.guarded for lane in self._others))
        yield Wait(lambda: all(lane.verified for lane in self._others if not isinstance(lane, ForeignLane)))
        units = list(work.units)
        yield from self._change_first(units)
        if units:
            yield from self._unprotect()
            yield Wait()
            yield Alone(lambda: self._work(units), changes=True)
        self._written = True
        yield from self._verify([self._task(unit) for unit in work.units], boots=False)
        self._settle(work.units)

    def _change_first(self, units: list[Unit]) -> Iterator[Item]:
        if self.prover is None or not units or not self.first.needed:
            return
        unit = self.first.choose(units)
        yield from self.first.before(unit, at_once=True)
        if not self.first.needed:
            return
        units.remove(unit)
        yield from self._unprotect()
        yield Wait()
        self.first.begin()
        yield Alone(lambda: self._work([unit]), changes=True)
        yield from self.first.after_unit(unit)
        self.first.settle()

    def _keep_all(self, units: Sequence[Unit]) -> Iterator[Item]:
        """The neighbours of all units are on disk before the first one is touched."""
        crowded = [unit for unit in units if unit.outside]
        if not self._device.reads:
            yield from self._neighbours.blank_checks(crowded)
            yield from self._keep(crowded)
        elif crowded:
            yield Alone(lambda: self._read_neighbours(crowded))

    def _read_neighbours(self, units: Sequence[Unit]) -> None:
        stretches = [(unit, address, size) for unit in units for address, size in unit.outside]
        found = self._device.read([(address, size) for _, address, size in stretches])
        for (unit, address, _), data in zip(stretches, found, strict=True):
            self._neighbours.take(unit, address, data)
        self._neighbours.record(units)

    def _erase_only(self, guard: Unit) -> None:
        self._journal.begin(guard.address)
        with self._device.at_work() as engine:
            engine.erase(guard.address, guard.size)
        self._note_erase(guard)
        self.guarded = True

    def _work(self, units: Sequence[Unit]) -> None:
        with self._device.at_work() as engine:
            for unit in units:
                self._device.stop_if_asked()
                self._journal.begin(unit.address)
                if unit.erase:
                    engine.erase(unit.address, unit.size)
                    self._note_erase(unit)
                pages = 0
                for address, data in self._whole(self._task(unit).writes):
                    pages += engine.program(address, data)
                self._note_programmed(unit, pages)

    def _whole(self, writes: Parts) -> Parts:
        """Filled up with FFh to whole pages; stretches of one page together."""
        found: list[tuple[int, bytearray]] = []
        for address, data in writes:
            first, last = self._pages(address, len(data))
            if found and first < found[-1][0] + len(found[-1][1]):
                start, content = found[-1]
                content.extend(_BLANK * (last - start - len(content)))
            else:
                start, content = first, bytearray(_BLANK * (last - first))
                found.append((start, content))
            content[address - start : address - start + len(data)] = data
        return tuple((address, bytes(content)) for address, content in found)

    def _note_erase(self, unit: Unit) -> None:
        self.report.erases[unit.size] = self.report.erases.get(unit.size, 0) + 1

    def _note_programmed(self, unit: Unit, pages: int, *, tell: bool = True) -> None:
        size = pages * self._device.page_size
        self.report.pages_programmed += pages
        self.report.bytes_programmed += size
        self._progress.advance(size)
        self._told_late += size
        if tell:
            reason = UnitReason(unit.address, unit.size, unit.erase, self._told_late, unit.reason)
            self.report.reasons.append(reason)
            self._told_late = 0

    # The vector table's unit

    def _write_guard(self, guard: Unit) -> Iterator[Item]:
        """All of the unit but the page with the reset vector, and that one when the rest is verified."""
        task = self._task(guard)
        start, end = self._pages(self._vectors, 1)
        rest, head = without_head(task.writes, start, end - start)
        holds, head_holds = without_head(task.holds, start, end - start)
        yield Alone(lambda: self._program_part(guard, rest, tell=False), changes=True)
        yield from self._verify([replace(task, writes=rest, holds=holds)], boots=False)
        yield Alone(lambda: self._program_part(guard, head, tell=True), changes=True)
        told = sum(len(data) for _, data in head_holds)
        yield from self._verify([self._boot_granule(task)], boots=True, told=told)
        self._settle([guard])

    def _program_part(self, guard: Unit, writes: Parts, *, tell: bool) -> None:
        self._device.stop_if_asked()
        self._journal.begin(guard.address)
        pages = 0
        if any(data.strip(_BLANK) for _, data in writes):
            with self._device.at_work() as engine:
                for address, data in self._whole(writes):
                    pages += engine.program(address, data)
        self._note_programmed(guard, pages, tell=tell)

    def _boot_granule(self, task: UnitTask) -> UnitTask:
        granule = self.region.granule
        first = self._vectors - (self._vectors - self.region.base) % granule
        return replace(task, holds=tuple(cut_out(task.holds, first, granule)), preserved=())
