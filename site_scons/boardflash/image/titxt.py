"""TI-TXT, the text format of Texas Instruments' MSP430 tools (SLAU101 appendix A.2; srec_ti_txt(5)).

`@` and an address begin a section; lines of 16 bytes follow, the last of a section may be shorter; `q` ends
the file. There is no checksum: a damaged file shows by its form alone. bincopy reads a line of bytes. It
would take any word with a q for the end, an address with a sign or underscores, and digits in any groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.model import Segment
from boardflash.image.records import Record, assemble
from boardflash.image.text import lines

_SECTION = re.compile(r"@[0-9A-Fa-f]{1,8}")
_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?: +[0-9A-Fa-f]{2})*")
_LINE_BYTES = 16
_NO_END = (
    'no "q" at its end: a TI-TXT file that is cut off, or Verilog hex, which is not taken;'
    " name the ELF or HEX it was made from"
)


def load_ti_txt(path: Path, data: bytes) -> tuple[Segment, ...]:
    """The segments of a TI-TXT file; `path` is for messages."""
    return assemble(path, "line", lambda: _records(path, data))


def _records(path: Path, data: bytes) -> Iterator[Record]:
    address = -1  # of the next byte; -1: an "@" has to come first
    wanted = 'bytes before an "@" and their address'
    ended = False
    for number, where, line in lines(path, data):
        if ended:
            raise BoardflashError('a line after the closing "q"', where=where)
        if line in ("q", "Q"):
            ended = True
        elif line.startswith("@"):
            if not _SECTION.fullmatch(line):
                raise BoardflashError('not an address; it is "@" and up to 8 hex digits', where=where)
            address = int(line[1:], 16)
        else:
            body = _bytes_of(line, where)
            if address < 0:
                raise BoardflashError(wanted, where=where)
            yield Record(number, address, body)
            if len(body) == _LINE_BYTES:
                address += _LINE_BYTES
            else:
                address = -1
                wanted = f'a line of fewer than {_LINE_BYTES} bytes ended the section: an "@" must come first'
    if not ended:
        raise BoardflashError(_NO_END, where=str(path))


def _bytes_of(line: str, where: str) -> bytes:
    import bincopy

    if not _BYTES.fullmatch(line):
        raise BoardflashError(
            "not a line of bytes; a byte is two hex digits, and spaces are between", where=where
        )
    part = bincopy.BinFile()
    try:
        part.add_ti_txt(f"@0\n{line}\nq\n")
    except (bincopy.Error, ValueError, LookupError) as error:
        raise BoardflashError(f"more than {_LINE_BYTES} bytes on a line", where=where) from error
    return bytes(part.as_binary())
