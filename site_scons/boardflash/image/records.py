"""Records of a file put together: bytes by address, of which none may be given twice and differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment

_ADDRESS_SPACE = 1 << 32
#: Each takes 300 bytes of memory, and 17 in a hostile file.
_MOST_RUNS = 1 << 18


class Record(NamedTuple):
    """Some bytes for an address, and where in the file they stand."""

    place: int  # the number of a line or of a block
    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


class _Run(NamedTuple):
    """Records that follow each other in the file and in the memory."""

    address: int
    data: bytearray

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def assemble(path: Path, unit: str, records: Callable[[], Iterable[Record]]) -> tuple[Segment, ...]:
    """Maximal segments in address order. `unit` is what a place counts: "line" or "block".

    `records` is called a second time where two records disagree, to find their places: kept for every
    record, those would take more memory than the bytes.
    """
    joined: list[_Run] = []
    for run in sorted(_runs(path, unit, records()), key=lambda run: run.address):
        if not joined or run.address > joined[-1].end:
            joined.append(run)
            continue
        last = joined[-1]
        overlap = min(last.end, run.end) - run.address
        at = run.address - last.address
        there, here = memoryview(last.data)[at : at + overlap], memoryview(run.data)[:overlap]
        if there != here:
            first = next(index for index in range(overlap) if there[index] != here[index])
            raise _disagreement(path, unit, run.address + first, records())
        there.release()
        last.data.extend(memoryview(run.data)[overlap:])
    return tuple(Segment(run.address, bytes(run.data), str(path)) for run in joined)


def _runs(path: Path, unit: str, records: Iterable[Record]) -> list[_Run]:
    runs: list[_Run] = []
    for record in records:
        if record.end > _ADDRESS_SPACE:
            raise BoardflashError(
                f"data at {record.address:#x} lies beyond the 32-bit address space",
                where=f"{path!s}: {unit} {record.place}",
            )
        if runs and record.address == runs[-1].end:
            runs[-1].data.extend(record.data)
        elif record.data:
            if len(runs) == _MOST_RUNS:
                raise BoardflashError(
                    f"more than {_MOST_RUNS} pieces that do not follow each other; is this firmware?",
                    where=f"{path!s}: {unit} {record.place}",
                )
            runs.append(_Run(record.address, bytearray(record.data)))
    return runs


def _disagreement(path: Path, unit: str, address: int, records: Iterable[Record]) -> BoardflashError:
    giving = ((r.place, r.data[address - r.address]) for r in records if r.address <= address < r.end)
    first, there = next(giving)
    second, here = next((place, byte) for place, byte in giving if byte != there)
    return BoardflashError(
        f"gives {here:02X}h for {address:#010x}, and {unit} {first} gives {there:02X}h",
        where=f"{path!s}: {unit} {second}",
    )
