"""The lines of a text format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UTF8_BOM = b"\xef\xbb\xbf"
_LF = b"\n"
_CTRL_Z = b"\x1a"  # the end of a text file under CP/M and DOS; some tools still write it


class Line(NamedTuple):
    number: int  # from 1
    where: str  # for messages
    text: str


def lines(path: Path, data: bytes) -> Iterator[Line]:
    """The lines that are not blank; a BOM in front and Ctrl-Z at the end are no text."""
    last = "" if data.endswith((b"\n", b"\r", _CTRL_Z)) else ", where the file ends"
    for number, raw in enumerate(io.BytesIO(_text_of(data)), start=1):
        text = raw.decode("ascii", errors="replace").strip(" \t\r\n")
        if text:
            yield Line(number, f"{path}: line {number}{'' if raw.endswith(_LF) else last}", text)


def _text_of(data: bytes) -> bytes:
    return data.rstrip(_CTRL_Z + b" \t\r\n").removeprefix(UTF8_BOM)
