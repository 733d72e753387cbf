"""What the image does not cover and an erase would lose: read, put on disk, and put back.

A fast blank check in the chip's read mode says what has to cross the link. Nothing of it is believed: what it
calls blank is checked once more, what it calls written is read, and both on one line and in the read mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import ERASED
from boardflash.loader.protocol import Operation, Way
from boardflash.loader.session import LoaderSession
from boardflash.program.journal import BY_BUS, BY_ONE_LINE, Journal, Preserved
from boardflash.program.report import RegionReport
from boardflash.program.steps import Step
from boardflash.program.survey import BYTES_PER_SECOND_AT_LEAST
from boardflash.program.work import Unit

BLANK_CHECK_PIECE = 256
BLANK_PROOF_PIECE = 16 * 1024
READ_CHUNK = 64 * 1024
READ_LIMIT_S = 5.0
READ_BYTES_PER_SECOND = 20e6
ONE_LINE_BYTES_PER_SECOND = 1e6  # 10 MHz, and the comparison beside it


class Neighbours:
    """The bytes outside the image in the erase units of one region."""

    def __init__(
        self, session: LoaderSession, journal: Journal, report: RegionReport, way: Way, reader: str = ""
    ) -> None:
        """`way`: BOTH for a serial chip; what could be lost is read on one line, and in the mode that
        everything else is read in. `reader`: a vendor's loader, where ours can't read."""
        self._session = session
        self._way = way
        self._read_by = reader or (BY_ONE_LINE if way == Way.BOTH else BY_BUS)
        self._journal = journal
        self._report = report
        self._kept: dict[int, list[Preserved]] = {}
        self._written: dict[int, list[tuple[int, int]]] = {}  # not blank, by unit
        self._unproved: dict[int, list[tuple[int, int]]] = {}  # blank, as the read mode has it
        self._unchecked = 0
        self._unread = 0

    def of(self, unit: Unit) -> tuple[Preserved, ...]:
        return tuple(self._kept.get(unit.address, ()))

    def blank_checks(self, units: Sequence[Unit]) -> Iterator[Step]:
        """Blank stretches stay behind: only the rest has to cross the link."""
        wanted = [(unit, address, size) for unit in units for address, size in unit.outside]
        self._unchecked += len(wanted)
        for unit, address, size in wanted:
            yield self._blank_check(unit, address, size)

    def reads(self, units: Sequence[Unit], read_bytes: int = READ_CHUNK) -> Iterator[Step]:
        """After the blank checks. The flash is read into the target's RAM at once; its bytes cross the link
        while the memory already works on something else."""
        wanted = [
            (unit, at, min(read_bytes, address + size - at))
            for unit in units
            for address, size in self._written.get(unit.address, ())
            for at in range(address, address + size, read_bytes)
        ]
        blank = [stretch for unit in units for stretch in self._unproved.pop(unit.address, ())]
        self._unread += len(wanted) + len(blank)
        for unit, address, size in wanted:
            yield self._read(unit, address, size)
        for address, size in blank:
            yield self._blank_proof(address, size)

    def all_checked(self) -> bool:
        return self._unchecked == 0

    def all_read(self) -> bool:
        return self._unread == 0

    def take(self, unit: Unit, address: int, data: bytes) -> None:
        """Neighbours that were read another way."""
        first = address - address % BLANK_CHECK_PIECE
        flags = bytearray()
        for at in range(first, address + len(data), BLANK_CHECK_PIECE):
            part = data[max(0, at - address) : at + BLANK_CHECK_PIECE - address]
            flags.append(not part.strip(bytes([ERASED])))
        self._note_written(unit, address, len(data), first, bytes(flags))
        for start, size in self._written.pop(unit.address, []):
            item = Preserved(start, data[start - address : start - address + size], self._read_by)
            self._kept.setdefault(unit.address, []).append(item)
            self._report.bytes_preserved += size

    def record(self, units: Sequence[Unit]) -> None:
        """On disk, before any of the units is touched."""
        for unit in units:
            kept = self.of(unit)
            if kept:
                self._journal.keep(unit.address, kept)

    def _blank_check(self, unit: Unit, address: int, size: int) -> Step:
        first = address - address % BLANK_CHECK_PIECE
        count = -(-(address + size - first) // BLANK_CHECK_PIECE)

        def filled(buffer: int) -> None:
            flags = self._session.link.read_memory(buffer, -(-count // 4) * 4)[:count]
            self._note_written(unit, address, size, first, flags)
            self._unchecked -= 1

        return Step(
            Operation.BLANK_CHECK,
            address,
            size,
            argument=BLANK_CHECK_PIECE,
            space=count,
            expected_s=size / READ_BYTES_PER_SECOND,
            limit_s=READ_LIMIT_S + size / BYTES_PER_SECOND_AT_LEAST,
            filled=filled,
        )

    def _seconds(self, size: int) -> float:
        return size / (ONE_LINE_BYTES_PER_SECOND if self._way == Way.BOTH else READ_BYTES_PER_SECOND)

    def _note_written(self, unit: Unit, address: int, size: int, first: int, flags: bytes) -> None:
        """Join the stretches that are alike: those not blank cost one read each, blank ones none."""
        at, index = address, 0
        while index < len(flags):
            alike = index + 1
            while alike < len(flags) and bool(flags[alike]) == bool(flags[index]):
                alike += 1
            end = min(first + alike * BLANK_CHECK_PIECE, address + size)
            if flags[index]:
                blank = Preserved(at, bytes([ERASED]) * (end - at), self._read_by)
                self._kept.setdefault(unit.address, []).append(blank)
                if self._way == Way.BOTH:
                    self._unproved.setdefault(unit.address, []).append((at, end - at))
            else:
                self._written.setdefault(unit.address, []).append((at, end - at))
            at, index = end, alike

    def _blank_proof(self, address: int, size: int) -> Step:
        """Fails on the target where one line reads other bytes than the mode, which has read FFh here."""
        count = -(-(address % BLANK_PROOF_PIECE + size) // BLANK_PROOF_PIECE)

        def filled(buffer: int) -> None:
            flags = self._session.link.read_memory(buffer, -(-count // 4) * 4)[:count]
            if not all(flags):
                raise BoardflashError(
                    f"{size} bytes read blank and then not: the chip or its supply is not stable; nothing of"
                    " this unit was changed",
                    where=f"{self._report.name} {address:#010x}",
                    code=ExitCode.DEVICE_FAILED,
                )
            self._unread -= 1

        return Step(
            Operation.BLANK_CHECK,
            address,
            size,
            argument=BLANK_PROOF_PIECE,
            way=self._way,
            space=count,
            expected_s=self._seconds(size),
            limit_s=READ_LIMIT_S + size / BYTES_PER_SECOND_AT_LEAST,
            filled=filled,
        )

    def _read(self, unit: Unit, address: int, size: int) -> Step:
        def filled(buffer: int) -> None:
            data = self._session.link.read_memory(buffer, -(-size // 4) * 4)[:size]
            self._kept.setdefault(unit.address, []).append(Preserved(address, data, self._read_by))
            self._report.bytes_preserved += size
            self._unread -= 1

        return Step(
            Operation.READ,
            address,
            size,
            way=self._way,
            space=size,
            expected_s=self._seconds(size),
            limit_s=READ_LIMIT_S,
            filled=filled,
        )
