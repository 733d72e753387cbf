"""A loader file by its name's ending."""

from __future__ import annotations

from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.foreign.flm import read_flm
from boardflash.foreign.model import Loader
from boardflash.foreign.stldr import read_stldr

_READERS = {".flm": read_flm, ".stldr": read_stldr}


def read_loader(path: Path, shown: str = "") -> Loader:
    """The loader in `path`: a .FLM or a .stldr."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BoardflashError("a loader is a .FLM or a .stldr file", where=shown or path.as_posix())
    return reader(path, shown)
