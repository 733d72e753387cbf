"""Motorola S-records (M68000 Family Programmer's Reference Manual, appendix C): S19, S28, S37.

bincopy takes a record apart and checks its checksum. It accepts half a file, any count, and a record that is
shorter than its address; the checks of these are here. The checksum leaves out the type digit, so a wrong one
would move or drop bytes unseen: the types of a file's records have to fit each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment
from boardflash.image.records import Record, assemble
from boardflash.image.text import lines

_RECORD = re.compile(r"S[0-9](?:[0-9A-Fa-f]{2}){2,256}")
_ADDRESS_BYTES = {"0": 2, "1": 2, "2": 3, "3": 4, "5": 2, "6": 3, "7": 4, "8": 3, "9": 2}
#: Which data records an end record may follow; S9 is written behind all of them.
_ENDS = {"7": "3", "8": "2", "9": "123"}


def load_srec(path: Path, data: bytes) -> tuple[Segment, ...]:
    """The segments of an S-record file; `path` is for messages."""
    return assemble(path, "line", lambda: _records(path, data))


def _records(path: Path, data: bytes) -> Iterator[Record]:
    data_type = ""  # of the file's data records
    count = 0  # of them so far
    ended = False
    for number, where, line in lines(path, data):
        if ended:
            raise BoardflashError("a record after the end record", where=where)
        kind, address, body = _unpacked(line, where)
        if kind in "123":
            if data_type and kind != data_type:
                raise BoardflashError(f"an S{kind} record in a file of S{data_type} records", where=where)
            data_type = kind
            count += 1
            yield Record(number, address, body)
        elif kind == "0":
            if address:  # as a data record has whose type is damaged
                raise BoardflashError(f"the S0 record has the address {address:04X}h, not 0", where=where)
        elif body:
            raise BoardflashError(f"the S{kind} record carries data", where=where)
        elif kind in "56":
            if address != count:
                raise BoardflashError(
                    f"it counts {address} data records, and {count} stand before it: the file is damaged",
                    where=where,
                )
        else:
            if data_type and data_type not in _ENDS[kind]:
                raise BoardflashError(f"an S{kind} record ends a file of S{data_type} records", where=where)
            ended = True
    if not ended:
        raise BoardflashError("no end record (S7, S8 or S9): the file is cut off", where=str(path))


def _unpacked(line: str, where: str) -> tuple[str, int, bytes]:
    """Type, address or count, and data of a record."""
    import bincopy

    if not _RECORD.fullmatch(line):
        raise BoardflashError(
            'not a record; each line is "S", a type and an even number of hex digits', where=where
        )
    width = _ADDRESS_BYTES.get(line[1])
    if width is None:
        raise BoardflashError("unknown record type S4; S0 to S3 and S5 to S9 are known", where=where)
    size = int(line[2:4], 16)
    if size != len(line) // 2 - 2:
        raise BoardflashError("the record's length is not what its first byte says", where=where)
    if size <= width:
        raise BoardflashError("the record is too short for its address", where=where)
    try:
        kind, address, _, body = bincopy.unpack_srec(line)
    except (bincopy.Error, ValueError, LookupError) as error:  # all else is checked above
        raise BoardflashError("the record's checksum is wrong", where=where) from error
    return kind, address, bytes(body)
