"""Intel HEX in and out (Intel, Hexadecimal Object File Format Specification, revision A, 1988).

The records are intelhex's work. It keeps one dictionary entry a byte, 170 bytes of memory each, so a
file is written in slices of at most 64 KiB, and read one record at a time: where a record stands is then
known, and addresses are ours. Intelhex lets data run beyond the end of a segment (record type 02), where the
specification has them go round to its start.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import intelhex

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment
from boardflash.image.records import Record, assemble
from boardflash.image.text import lines

_SLICE_BYTES = 0x10000
_SEGMENT_BYTES = 0x10000  # that a record of type 02 opens (Intel's section 3)
_END_RECORD = ":00000001FF"
_NO_RECORD = 'not a record; each line is ":" and an even number of hex digits'

_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (intelhex.RecordLengthError, "the record's length is not what its first byte says"),
    (intelhex.RecordTypeError, "unknown record type; 00 to 05 are known"),
    (intelhex.RecordChecksumError, "the record's checksum is wrong"),
    (intelhex.EOFRecordError, "the end record carries data"),
    (intelhex.ExtendedAddressRecordError, "the extended address record is malformed"),
    (intelhex.StartAddressRecordError, "the start address record is malformed"),
)


def load_hex(path: Path, data: bytes) -> tuple[Segment, ...]:
    """The segments of an Intel HEX file; `path` is for messages."""
    return assemble(path, "line", lambda: _records(path, data))


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


def _records(path: Path, data: bytes) -> Iterator[Record]:
    base, segmented = 0, False  # what the last extended address record says
    ended = False
    for number, where, line in lines(path, data):
        if ended:
            raise BoardflashError("a record after the end record", where=where)
        _check(line, where)
        offset, kind, body = int(line[3:7], 16), int(line[7:9], 16), bytes.fromhex(line[9:-2])
        if kind == 0x00:
            here = _SEGMENT_BYTES - offset if segmented else len(body)
            yield Record(number, base + offset, body[:here])
            yield Record(number, base, body[here:])
        elif kind == 0x01:
            ended = True
        elif kind == 0x02:
            base, segmented = int.from_bytes(body, "big") << 4, True
        elif kind == 0x04:
            base, segmented = int.from_bytes(body, "big") << 16, False
    if not ended:
        raise BoardflashError(
            f'no end record ("{_END_RECORD}"): the file is truncated or not Intel HEX', where=str(path)
        )


def _check(line: str, where: str) -> None:
    """Raises where `line` is not a whole and sound record."""
    try:
        intelhex.IntelHex().loadhex(io.StringIO(line))
    except (intelhex.IntelHexError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        text = next((text for kind, text in _FAULTS if isinstance(error, kind)), _NO_RECORD)
        raise BoardflashError(text, where=where) from error
