"""Flash or verify a plan: connect, identify, run a lane for each region, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from boardflash.description.model import Board
from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import RegionImage, Segment
from boardflash.link.jlink import Link
from boardflash.loader.artefact import load_artefact
from boardflash.loader.protocol import REGION_NUMBERS
from boardflash.plan.difference import compare
from boardflash.plan.model import FlashPlan
from boardflash.program.foreign_device import ForeignDevice, digest_items, foreign_devices
from boardflash.program.foreign_lane import ForeignLane
from boardflash.program.interrupt import Interrupt, deferred_interrupt
from boardflash.program.journal import Journal
from boardflash.program.lane import Lane, LaneOptions
from boardflash.program.overlay import overlay, uncovered
from boardflash.program.progress import Progress, Silent
from boardflash.program.prove import Prover
from boardflash.program.report import (
    DeviceIdentity,
    FlashReport,
    RegionReport,
    UnitReason,
)
from boardflash.program.rescue import after_failure, prove, settle_unproved
from boardflash.program.session import Session, leave, open_session
from boardflash.program.steps import Load
from boardflash.program.survey import Digests


@dataclass(frozen=True)
class FlashOptions:
    """What a user may choose. `regions` None = all that the plan has."""

    regions: tuple[str, ...] | None = None
    verify_full: bool = False
    force: bool = False
    reset_run: bool = True


def flash(
    plan: FlashPlan,
    link: Link,
    options: FlashOptions | None = None,
    progress: Progress | None = None,
    *,
    interrupted: Callable[[], bool] = lambda: False,
) -> FlashReport:
    """Make the device hold the plan; writes only what differs. The caller holds the probe's lock.
    `interrupted` tells of a signal that a handler of the caller's has taken before this one's was there.

    Raises BoardflashError; then the vector table's unit has not been written, if it was in the way,
    and the journal holds what the next run must restore.
    """
    options = options or FlashOptions()
    progress = progress or Silent()
    images = _images(plan, options)
    with (
        deferred_interrupt(interrupted) as interrupt,
        _open(plan, link, images, progress, interrupt) as session,
    ):
        journals = {name: session.found.journal(plan.board.region(name)) for name in images}
        for name, journal in journals.items():
            journal.drop_unbegun()
            region = plan.board.region(name)
            for unit in journal.outside(region.base, region.size):
                progress.note(
                    f"note: {name} {unit:#010x}: an earlier run's journal entry is for bytes that this memory"
                    f" does not have; set aside as {journal.set_aside(unit)}"
                )
            settle_unproved(session, plan, images[name], journal)
        effective = {name: _with_journal(image, journals[name]) for name, image in images.items()}
        devices = foreign_devices(session, plan, images)
        lanes = _lanes(session, plan, images, effective, journals, options, progress, devices)
        progress.phase("digest", sum(image.byte_count for image in effective.values()))
        try:
            session.pump.run({lane.number: lane.steps() for lane in lanes}, _ahead(lanes))
        except BoardflashError as error:
            raise after_failure(session, lanes, journals, error) from error
        reports = {lane.region.name: lane.report for lane in lanes}
        if options.verify_full:
            _verify_all(session, plan.board, effective, reports, progress, devices)
        for journal in journals.values():
            journal.forget_all()
        if any(lane.work and lane.work.all_units for lane in lanes):
            times = session.work_times()
            for lane in lanes:
                spent = times[lane.number]
                lane.report.worked_s, lane.report.waited_s = spent.worked, spent.starved
                lane.report.proved_s = spent.proved
        for lane in lanes:
            lane.tell()
        return _finish(session, plan, link, options, list(reports.values()), "flash")


def _ahead(lanes: list[Lane]) -> Iterator[tuple[int, Load]]:
    """What each lane will need first if its memory holds something else; the longer image's before."""
    for lane in sorted(lanes, key=lambda lane: -lane.image.byte_count):
        for load in lane.ahead():
            yield lane.number, load


def _lanes(
    session: Session,
    plan: FlashPlan,
    images: dict[str, RegionImage],
    effective: dict[str, RegionImage],
    journals: dict[str, Journal],
    options: FlashOptions,
    progress: Progress,
    devices: Mapping[str, ForeignDevice],
) -> list[Lane]:
    lanes: list[Lane] = []
    for name, image in images.items():
        report = _region_report(plan, image)
        report.restored = _owed_bytes(image, journals[name])
        lane_options = LaneOptions(
            force=options.force,
            guard_always=plan.board.boot_guard == "always",
            vectors=image.address if image.runs else None,
        )
        work = (session, plan.board, effective[name], journals[name], report, progress, lane_options)
        lanes.append(ForeignLane(*work, devices[name]) if name in devices else Lane(*work))
    for lane in lanes:
        lane.beside([other for other in lanes if other is not lane])
    return lanes


def verify(
    plan: FlashPlan, link: Link, options: FlashOptions | None = None, progress: Progress | None = None
) -> FlashReport:
    """Compare the device with the plan; changes nothing. Exit code DIFFERS when it does not match."""
    options = options or FlashOptions()
    progress = progress or Silent()
    images = _images(plan, options)
    with deferred_interrupt() as interrupt, _open(plan, link, images, progress, interrupt) as session:
        devices = foreign_devices(session, plan, images)
        digests = _survey(session, plan.board, images, progress, devices)
        reports = []
        for name, image in images.items():
            region = plan.board.region(name)
            report = _region_report(plan, image)
            differences = compare(image, region.granule, digests[name])
            if differences and name == "qspi" and session.found.chip is not None:
                # It would be no difference of the device if it was read wrongly.
                prove(session, Prover(session, plan.board, region, session.found.chip, image, report))
            report.granules_differing = len(differences)
            report.bytes_verified = image.byte_count
            report.bytes_unchanged = image.byte_count - sum(d.size for d in differences)
            report.reasons = [UnitReason(d.address, d.size, False, 0, str(d.reason)) for d in differences]
            if name in devices:
                devices[name].tell(report)
            reports.append(report)
        result = _finish(session, plan, link, options, reports, "verify")
        if any(report.granules_differing for report in reports):
            result.exit_code = ExitCode.DIFFERS
        return result


def identify_device(plan: FlashPlan, link: Link, options: FlashOptions | None = None) -> DeviceIdentity:
    """Only identify: unique ID and chip, for `TRUST=stamp`. The device runs its firmware afterwards."""
    options = options or FlashOptions()
    images = _images(plan, options)
    with _open(plan, link, images, Silent(), Interrupt()) as session:
        leave(session, link, run=options.reset_run)
        return session.found.device


def _open(
    plan: FlashPlan, link: Link, images: dict[str, RegionImage], progress: Progress, interrupt: Interrupt
) -> AbstractContextManager[Session]:
    artefact = load_artefact(plan.loader_path)
    return open_session(plan.board, artefact, link, progress, interrupt, qspi="qspi" in images)


def _images(plan: FlashPlan, options: FlashOptions) -> dict[str, RegionImage]:
    planned = [region.name for region in plan.regions]
    wanted = options.regions if options.regions is not None else tuple(planned)
    for name in wanted:
        if name not in planned:
            raise BoardflashError(
                f"the plan has no region {name!r}; it has {', '.join(planned)}", where="REGION"
            )
    return {name: plan.region_image(name) for name in planned if name in wanted}


def _with_journal(image: RegionImage, journal: Journal) -> RegionImage:
    """The image, and around it what an interrupted run owes the device."""
    owed = tuple(Segment(item.address, item.data, "preserve journal") for item in journal.pending())
    return overlay(image, owed) if owed else image


def _owed_bytes(image: RegionImage, journal: Journal) -> int:
    """Bytes that the journal adds to the image, blank stretches aside."""
    return sum(
        size
        for item in journal.pending()
        if not item.blank
        for _, size in uncovered(image, item.address, len(item.data))
    )


def _survey(
    session: Session,
    board: Board,
    images: dict[str, RegionImage],
    progress: Progress,
    devices: Mapping[str, ForeignDevice],
) -> dict[str, Digests]:
    """The device's digests of every piece of the images, both regions in one go."""
    progress.phase("digest", sum(image.byte_count for image in images.values()))
    found: dict[str, Digests] = {name: {} for name in images}
    steps = {}
    for name, image in images.items():
        granule = board.region(name).granule
        steps[REGION_NUMBERS[name]] = digest_items(
            session.loader, devices.get(name), image.pieces(granule), granule, found[name], progress.advance
        )
    session.pump.run(steps)
    return found


def _verify_all(
    session: Session,
    board: Board,
    images: dict[str, RegionImage],
    reports: dict[str, RegionReport],
    progress: Progress,
    devices: Mapping[str, ForeignDevice],
) -> None:
    digests = _survey(session, board, images, progress, devices)
    for name, image in images.items():
        differences = compare(image, board.region(name).granule, digests[name])
        if differences:
            raise BoardflashError(
                f"verify failed: {len(differences)} granules do not hold the image",
                where=f"{board.name}: {name} {differences[0].address:#010x}",
                code=ExitCode.VERIFY_FAILED,
            )
        reports[name].bytes_verified = image.byte_count


def _region_report(plan: FlashPlan, image: RegionImage) -> RegionReport:
    return RegionReport(
        name=image.name,
        image_bytes=image.byte_count,
        granules=len(image.pieces(plan.board.region(image.name).granule)),
    )


def _finish(
    session: Session,
    plan: FlashPlan,
    link: Link,
    options: FlashOptions,
    regions: list[RegionReport],
    verb: str,
) -> FlashReport:
    leave(session, link, run=options.reset_run)
    return FlashReport(
        verb=verb,
        board=plan.board.name,
        probe=link.serial,
        simulated=link.simulated,
        plan_digest=plan.digest,
        device=session.found.device,
        regions=regions,
        seconds=link.now() - session.started,
    )
