"""Identifies, reads and erases, without a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from boardflash.description.model import Board, Chip, Region
from boardflash.errors import BoardflashError
from boardflash.image.model import RegionImage, Segment
from boardflash.link.jlink import Link
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.protocol import REGION_NUMBERS, Operation, Way
from boardflash.plan.erase import Leaf, Need, PlannedErase, plan_erases
from boardflash.program.first_change import FirstChange
from boardflash.program.foreign_device import ForeignDevice
from boardflash.program.interrupt import Interrupt, deferred_interrupt
from boardflash.program.neighbours import Neighbours
from boardflash.program.progress import Progress, Silent
from boardflash.program.prove import Prover
from boardflash.program.report import DeviceIdentity, RegionReport, size_text
from boardflash.program.rescue import prove, write_back
from boardflash.program.session import Session, leave, open_session
from boardflash.program.steps import Item, Step
from boardflash.program.work import Unit, erase_times_ms, internal_costs, leaf_units, qspi_costs


def region_at(board: Board, address: int, size: int) -> Region:
    """The region that holds the whole range."""
    for region in board.regions:
        if region.base <= address and address + size <= region.end:
            return region
    known = ", ".join(f"{r.name} {r.base:#010x}..{r.end - 1:#010x}" for r in board.regions)
    raise BoardflashError(
        f"{size} bytes at {address:#010x} lie in no region; the board has {known}", where=board.name
    )


def identify_board(
    board: Board, artefact: LoaderArtefact, link: Link, progress: Progress | None = None
) -> DeviceIdentity:
    """Only identify: the MCU, and the QSPI chip if the board file has one. The firmware is started again."""
    progress = progress or Silent()
    qspi = board.qspi is not None
    with open_session(board, artefact, link, progress, Interrupt(), qspi=qspi) as session:
        leave(session, link, run=True)
        return session.found.device


def read_range(
    board: Board,
    artefact: LoaderArtefact,
    link: Link,
    address: int,
    size: int,
    progress: Progress | None = None,
) -> bytes:
    """The flash's own bytes, read by the loader past any cache. The firmware is started again afterwards."""
    region = region_at(board, address, size)
    progress = progress or Silent()
    with open_session(board, artefact, link, progress, Interrupt(), qspi=region.name == "qspi") as session:
        device = _foreign(session, board, region)
        if device is not None and device.reads:
            data = device.read([(address, size)])[0]
        else:
            if session.found.chip is not None:
                prove(session, _prover(session, board, region, session.found.chip, address, size))
            data = session.loader.read(REGION_NUMBERS[region.name], address, size)
        leave(session, link, run=True)
        return data


def _prover(session: Session, board: Board, region: Region, chip: Chip, address: int, size: int) -> Prover:
    """For a range as for an image: its reads, and whether it is where it seems to be."""
    image = RegionImage(region.name, region.base, region.size, (Segment(address, bytes(size), "range"),))
    return Prover(session, board, region, chip, image, RegionReport(region.name))


def _erase_first(
    session: Session, prover: Prover, erases: Sequence[PlannedErase], step: Callable[[PlannedErase], Step]
) -> list[PlannedErase]:
    """The first erase that a chip which wraps would do elsewhere, with a look at that place; the others."""
    region = prover.region
    journal = session.found.journal(region)
    report = RegionReport(region.name)
    neighbours = Neighbours(session.loader, journal, report, Way.BOTH)
    first = FirstChange(prover, prover.image, journal, neighbours)
    units = [Unit(e.address, e.size, True, e.whole_chip, (), (), (), "") for e in erases]
    unit = first.choose(units)
    chosen = erases[units.index(unit)]

    def items() -> Iterator[Item]:
        yield from first.before(unit)
        first.begin()
        yield step(chosen)
        yield from first.after_erase(unit)

    try:
        session.pump.run({REGION_NUMBERS[region.name]: items()})
    except BoardflashError:
        if first.mirror is not None and first.mirror.address in journal.units():
            session.resume()
            write_back(session, region, journal, first.mirror)
        raise
    first.settle()
    return [erase for erase in erases if erase is not chosen]


def _foreign(session: Session, board: Board, region: Region) -> ForeignDevice | None:
    """What a vendor's loader makes of the region, if the board file names one."""
    if region.loader is None:
        return None
    return ForeignDevice(session, board, region, region.loader, Path(region.loader.file))


def erase_range(
    board: Board,
    artefact: LoaderArtefact,
    link: Link,
    address: int,
    size: int,
    progress: Progress | None = None,
) -> tuple[DeviceIdentity, int]:
    """Erase whole erase units; the number of erase commands. The board is left halted in reset."""
    region = region_at(board, address, size)
    progress = progress or Silent()
    inside = [unit for unit in leaf_units(region) if address < unit[0] + unit[1] and unit[0] < address + size]
    first, end = inside[0][0], inside[-1][0] + inside[-1][1]
    if (first, end) != (address, address + size):
        raise BoardflashError(
            f"an erase takes whole erase units: {address:#010x} + {size:#x} lies in {first:#010x} +"
            f" {end - first:#x} ({len(inside)} units of {size_text(inside[0][1])}); give that range",
            where=f"{board.name}: {region.name}",
        )
    with (
        deferred_interrupt() as interrupt,
        open_session(board, artefact, link, progress, interrupt, qspi=region.name == "qspi") as session,
    ):
        chip = session.found.chip
        device = _foreign(session, board, region)
        costs = qspi_costs(board, chip) if chip is not None else internal_costs(board)
        if device is not None:
            chip, costs = None, device.costs()
        leaves = [
            Leaf(
                at,
                length,
                erase_times_ms(region, chip, length)[0] * 1000,
                Need.ERASE_ONLY if address <= at < end else Need.KEEP,
                forbidden=any(s < at + length and at < s + n for s, n in region.protect)
                or not address <= at < end,
            )
            for at, length in leaf_units(region)
        ]
        whole = (address, size) == (region.base, region.size)
        plan = plan_erases(leaves, costs.options, costs.chip_erase_us if whole else None)

        def step(erase: PlannedErase) -> Step:
            typ_ms, max_ms = erase_times_ms(region, chip, erase.size, whole_chip=erase.whole_chip)
            length = 0 if erase.whole_chip else erase.size
            limit_s = board.mcu.clock.patience_s(max_ms)
            return Step(Operation.ERASE, erase.address, length, expected_s=typ_ms / 1000, limit_s=limit_s)

        progress.phase("erase", size)
        erases = list(plan.erases)
        if session.found.chip is not None:
            prover = _prover(session, board, region, session.found.chip, address, size)
            prove(session, prover)
            session.loader.unprotect_chip()
            if prover.wrap and device is None and not whole:
                erases = _erase_first(session, prover, plan.erases, step)
        if device is not None:
            device.erase([(erase.address, erase.size) for erase in plan.erases])
        else:
            session.pump.run({REGION_NUMBERS[region.name]: map(step, erases)})
        leave(session, link, run=False)
        return session.found.device, len(plan.erases)
