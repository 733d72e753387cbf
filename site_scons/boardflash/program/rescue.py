"""What is done about bytes that a run may lose, or an earlier one has: all on one line.

After a failure behind an erase the preserved bytes are written back with 02h (12h), read with 03h (13h) and
compared; what can't be written back stays in the journal. Entries of which nobody knows that they were read
rightly are not restored: the device's own bytes decide, or the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from boardflash.description.model import Region
from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import ERASED, RegionImage
from boardflash.loader.protocol import REGION_NUMBERS, REGION_QSPI, Command, Operation, Status, Way
from boardflash.loader.session import CommandFailed
from boardflash.plan.model import FlashPlan
from boardflash.program.change import cut_out
from boardflash.program.failures import Mismatch, StepFailed, Unproved
from boardflash.program.foreign_device import ForeignDevice
from boardflash.program.journal import Journal, Preserved
from boardflash.program.lane import Lane
from boardflash.program.overlay import uncovered
from boardflash.program.prove import Prover
from boardflash.program.reads import causes_of_program, shown
from boardflash.program.report import RegionReport
from boardflash.program.session import Session
from boardflash.program.work import Unit, erase_times_ms, leaf_units

COMMAND_LIMIT_S = 5.0
#: After these the chip may still answer; after the others there is nothing to be done, or nothing to be lost.
WORTH_A_TRY = (ExitCode.DEVICE_FAILED, ExitCode.VERIFY_FAILED)


def prove(session: Session, prover: Prover) -> None:
    """The proof by itself, where nothing is going to be changed."""
    try:
        session.pump.run({REGION_QSPI: prover.steps()})
    except Unproved as error:
        raise prover.explained(error.address, error.how_often) from error


# After a failure


def after_failure(
    session: Session, lanes: Sequence[Lane], journals: Mapping[str, Journal], error: BoardflashError
) -> BoardflashError:
    """The error as it should be told, when all that can be done for the device has been done."""
    lane = next((lane for lane in lanes if lane.prover is not None), None)
    if lane is None or error.code not in WORTH_A_TRY:
        return error
    try:
        session.resume()
        told = _explained(session, lane, error)
    except BoardflashError:
        return error  # the chip, or the link, does not answer any more
    for unit in _begun(lane, journals[lane.region.name]):
        try:
            write_back(session, lane.region, journals[lane.region.name], unit)
        except BoardflashError as failed:
            session.progress.note(
                f"note: {lane.region.name} {unit.address:#010x}: what lies beside the image could not be"
                f" written back ({failed}); it is in the journal, and the next run writes it back"
            )
    return told


def _explained(session: Session, lane: Lane, error: BoardflashError) -> BoardflashError:
    """What the bytes look like, and which causes fit."""
    assert lane.prover is not None
    if isinstance(error, Unproved):
        return lane.prover.explained(error.address, error.how_often)
    if isinstance(error, StepFailed) and error.status == Status.UNPROVED:
        return lane.prover.explained(error.address)
    if not isinstance(error, Mismatch) or not lane.region.base <= error.piece.address < lane.region.end:
        return error
    chip = lane.prover.chip
    wanted = lane.bytes_of(error.piece)
    one = session.loader.read(REGION_QSPI, error.piece.address, error.piece.size, way=Way.ONE_LINE)
    at = next((i for i, (a, b) in enumerate(zip(wanted, one, strict=True)) if a != b), None)
    if at is None:
        mode = session.loader.read(REGION_QSPI, error.piece.address, error.piece.size)
        if mode != wanted:
            at = next(i for i, (a, b) in enumerate(zip(wanted, mode, strict=True)) if a != b)
            return lane.prover.explained(error.piece.address + at)
        told = "now it reads as it should, on one line and in the read mode: check supply and signal quality"
    else:
        window = slice(at, at + 64)
        blank = bytes([ERASED]) * len(one[window])
        told = (
            f"on one line it reads {shown(one[window])} instead of {shown(wanted[window])}:"
            f" {causes_of_program(wanted[window], one[window], blank, chip)}; check {chip.file}, [qspi.pins]"
        )
    return BoardflashError(
        f"{error.message}; {told}",
        where=f"{session.board.name}: {lane.region.name} {error.piece.address + (at or 0):#010x}",
        code=error.code,
    )


def _begun(lane: Lane, journal: Journal) -> Iterator[Unit]:
    """The units of this run that the journal has bytes for: touched, and not verified."""
    units = {unit.address: unit for unit in (lane.work.all_units if lane.work is not None else ())}
    if lane.first.mirror is not None:
        units[lane.first.mirror.address] = lane.first.mirror
    for address in journal.units():
        if address in units:
            yield units[address]


def write_back(session: Session, region: Region, journal: Journal, unit: Unit) -> None:
    """Give a unit of the QSPI chip the bytes that the journal has for it; raises where it refuses them."""
    items = journal.entry(unit.address)
    parts = tuple((item.address, item.data) for item in items)
    session.loader.unprotect_chip()
    written = 0
    for address, size in leaf_units(region):
        if unit.address <= address < unit.end:
            owed = tuple(cut_out(parts, address, size))
            written += _write_back_leaf(session, region, unit, address, owed)
    journal.forget(unit.address)
    if written:
        session.progress.note(
            f"{region.name}: {unit.address:#010x} {written:,} bytes beside the image written back on one"
            " line after the failure, and compared"
        )


def _write_back_leaf(
    session: Session, region: Region, unit: Unit, address: int, parts: tuple[tuple[int, bytes], ...]
) -> int:
    """One smallest erase unit; the number of bytes that were not as they should be."""
    have = [_one_line(session, at, len(data)) for at, data in parts]
    wrong = sum(len(data) for (_, data), seen in zip(parts, have, strict=True) if data != seen)
    if not wrong:
        return 0
    rises = any(
        new & ~old & 0xFF
        for (_, data), seen in zip(parts, have, strict=True)
        for old, new in zip(seen, data, strict=True)
    )
    if rises:
        if not unit.erase:
            raise BoardflashError("bits would have to rise, and what else lies in this unit is not known")
        size = region.sectors[0].size
        limit_s = erase_times_ms(region, session.found.chip, size)[1] / 1000 + COMMAND_LIMIT_S
        session.loader.run(REGION_QSPI, Command(Operation.ERASE, address, size), limit_s)
    for at, data in parts:
        buffer = session.loader.buffers_base
        session.loader.link.write_memory(buffer, data)
        command = Command(Operation.PROGRAM, at, len(data), buffer, way=Way.ONE_LINE)
        session.loader.run(REGION_QSPI, command, COMMAND_LIMIT_S)
        if _one_line(session, at, len(data)) != data:
            raise BoardflashError(f"{at:#010x} does not read back on one line")
    return wrong


def _one_line(session: Session, address: int, size: int) -> bytes:
    return session.loader.read(REGION_QSPI, address, size, way=Way.ONE_LINE)


# Entries that nothing has proved


def settle_unproved(session: Session, plan: FlashPlan, image: RegionImage, journal: Journal) -> None:
    """Entries that were read in an unproved way are right where the device still holds these very bytes.

    Raises where it does not: then somebody has to decide, and nothing is touched before.
    """
    region = plan.board.region(image.name)
    for unit, item in list(journal.unproved()):
        for address, size in uncovered(image, item.address, len(item.data)):
            owed = item.data[address - item.address : address - item.address + size]
            found = _proved_read(session, plan, region, address, size)
            if found != owed:
                at = next(i for i, (a, b) in enumerate(zip(owed, found, strict=True)) if a != b)
                raise _undecided(journal, unit, item, address + at, found[at:], owed[at:])
    for unit in dict.fromkeys(unit for unit, _ in journal.unproved()):
        journal.decide(unit)


def _proved_read(session: Session, plan: FlashPlan, region: Region, address: int, size: int) -> bytes:
    chip = session.found.chip
    if chip is None and region.name == "qspi" and region.loader is not None:
        path: Path = plan.foreign_path(region.loader)
        return ForeignDevice(session, plan.board, region, region.loader, path).read([(address, size)])[0]
    way = Way.BOTH if region.name == "qspi" else Way.MODE
    try:
        return session.loader.read(REGION_NUMBERS[region.name], address, size, way=way)
    except CommandFailed as error:
        if error.result.status != Status.UNPROVED or chip is None:
            raise
        session.loader.acknowledge(REGION_QSPI)
        empty = RegionImage(region.name, region.base, region.size, ())
        prover = Prover(session, plan.board, region, chip, empty, RegionReport(region.name))
        raise prover.explained(error.result.failed_address) from error


def _undecided(
    journal: Journal, unit: int, item: Preserved, address: int, found: bytes, owed: bytes
) -> BoardflashError:
    return BoardflashError(
        f"an earlier run owes this device {len(item.data):,} bytes at {item.address:#010x} that it read in a"
        f" way which nothing had proved; first at {address:#010x} the device holds {shown(found)}, the"
        f" journal {shown(owed)}; nothing was changed: `boardflash journal --restore FILE` lets the next run"
        " write the journal's bytes, `boardflash journal --forget FILE` keeps the device's",
        where=str(journal.path(unit)),
        code=ExitCode.DEVICE_FAILED,
    )
