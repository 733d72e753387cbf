"""Intel HEX in and out (Intel, Hexadecimal Object File Format Specification, revision A, 1988).

The records are intelhex's work. It keeps one dictionary entry a byte, 170 bytes of memory each, so a
file goes through it in slices of at most 64 KiB of address space or 4096 records.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import intelhex

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment

_SLICE_BYTES = 0x10000
_SLICE_RECORDS = 4096
_END_RECORD = ":00000001FF"
_ADDRESS_SPACE = 1 << 32

_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (intelhex.RecordLengthError, "the record's length is not what its first byte says"),
    (intelhex.RecordTypeError, "unknown record type; 00 to 05 are known"),
    (intelhex.RecordChecksumError, "the record's checksum is wrong"),
    (intelhex.AddressOverlapError, "gives a byte for an address that already has one"),
    (intelhex.EOFRecordError, "the end record carries data"),
    (intelhex.ExtendedAddressRecordError, "the extended address record is malformed"),
    (intelhex.StartAddressRecordError, "the start address record is malformed"),
    (intelhex.HexRecordError, 'not a record; each line is ":" and an even number of hex digits'),
)


def load_hex(path: Path, data: bytes) -> tuple[Segment, ...]:
    """The segments of an Intel HEX file; `path` is for messages."""
    segments: list[Segment] = []
    for first_line, records in _slices(path, data):
        segments += _segments_of(path, first_line, records)
    return tuple(segments)


def to_hex(runs: Iterable[Segment]) -> bytes:
    """An Intel HEX file of 16-byte records, LF line ends, the same on every host."""
    out = io.StringIO()
    for run in runs:
        start = run.address
        while start < run.end:
            stop = min(run.end, start - start % _SLICE_BYTES + _SLICE_BYTES)
            out.write(_records_of(start, run.data[start - run.address : stop - run.address]))
            start = stop
    out.write(_END_RECORD + "\n")
    return out.getvalue().encode("ascii")


def _records_of(address: int, data: bytes) -> str:
    part = intelhex.IntelHex()
    part.frombytes(data, offset=address)
    text = io.StringIO()
    part.write_hex_file(text, eolstyle="native")
    return "".join(line + "\n" for line in text.getvalue().splitlines() if line != _END_RECORD)


def _slices(path: Path, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Groups of records, each with the number of its first line, under one base address each."""
    base = ""  # the extended address record that is in force
    records: list[str] = []
    first_line = 1
    ended = False
    for number, raw in enumerate(io.BytesIO(data), start=1):
        line = raw.decode("ascii", errors="replace").strip()
        if not line:
            records.append("")
            continue
        if ended:
            raise BoardflashError("a record after the end record", where=f"{path}: line {number}")
        kind = line[7:9]
        if kind in ("02", "04") or len(records) >= _SLICE_RECORDS:
            yield first_line, records
            # The base is repeated in front, on a line that does not count.
            first_line, records = (number, []) if kind in ("02", "04") else (number - 1, [base])
        if kind in ("02", "04"):
            base = line
        ended = kind == "01"
        records.append(line)
    if not ended:
        raise BoardflashError(
            f'no end record ("{_END_RECORD}"): the file is truncated or not Intel HEX', where=str(path)
        )
    yield first_line, records


def _segments_of(path: Path, first_line: int, records: list[str]) -> Iterator[Segment]:
    part = intelhex.IntelHex()
    try:
        part.loadhex(io.StringIO("\n".join(records)))
    except intelhex.IntelHexError as error:
        line = first_line - 1 + int(getattr(error, "line", 1))
        text = next((text for kind, text in _FAULTS if isinstance(error, kind)), str(error))
        raise BoardflashError(text, where=f"{path}: line {line}") from error
    for start, stop in part.segments():
        if stop > _ADDRESS_SPACE:
            raise BoardflashError(
                f"data at {start:#x} lies beyond the 32-bit address space",
                where=f"{path}: line {first_line}",
            )
        yield Segment(start, part.tobinstr(start=start, size=stop - start), str(path))
