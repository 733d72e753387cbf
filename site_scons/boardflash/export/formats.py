"""What a board file can be made into for other flashers; one module a format, loaded when it is asked for.

A module has: `names(board)`, the files that it makes, relative to the folder; and `write(request)`, which
makes all of them. The same board, sources and image give the same bytes in any folder.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.image.model import RegionImage

from .storage import unnamed_chips


@dataclass(frozen=True)
class ExportRequest:
    """`images` are empty for a format that is made of the board alone."""

    board: Board
    folder: Path  # exists
    images: tuple[RegionImage, ...] = ()


class Exporter(Protocol):
    """The interface of a format's module."""

    def names(self, board: Board) -> tuple[str, ...]: ...

    def write(self, request: ExportRequest) -> None: ...


@dataclass(frozen=True)
class Format:
    name: str
    about: str
    module: str
    of_image: bool = False  # made of an image, too
    of_chips: bool = False  # says how the QSPI chip is programmed


FORMATS = (
    Format(
        "flm",
        "CMSIS-Pack flash algorithms: pyOCD, Keil, probe-rs; a second one with Verify",
        "flm_files",
        of_chips=True,
    ),
    Format(
        "jlink", "J-Link: JLinkDevices folder with its loader, Commander script, J-Flash project", "jlink"
    ),
    Format("stldr", "STM32CubeProgrammer external loader", "stldr"),
    Format("openocd", "OpenOCD 0.12 board configuration", "openocd", of_chips=True),
    Format("probe-rs", "probe-rs target description", "probe_rs", of_chips=True),
    Format("pyocd", "pyOCD user script, with its flash algorithm", "pyocd", of_chips=True),
    Format("make", "flash.mk, for repositories that use Make", "make"),
    Format("uf2", "UF2 file of the images of all regions", "uf2", of_image=True),
)


def format_named(name: str) -> Format:
    for each in FORMATS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in FORMATS)
    raise BoardflashError(f"there is no export format {name!r}; there are {known}")


def left_out(chosen: Format, board: Board) -> str | None:
    """What a person has to know is not in the files."""
    told = unnamed_chips(board) if chosen.of_chips else None
    return f"note: {told}; the rest is made" if told else None


def exporter(chosen: Format) -> Exporter:
    module: Exporter = importlib.import_module(f"boardflash.export.{chosen.module}")
    return module


def export(chosen: Format, request: ExportRequest) -> tuple[Path, ...]:
    """Make the files; returns their paths. Raises BoardflashError where the board has nothing for it."""
    if chosen.of_image and not request.images:
        raise BoardflashError(f"the format {chosen.name} is made of an image: name the files to put into it")
    if request.images and not chosen.of_image:
        raise BoardflashError(f"the format {chosen.name} is made of the board alone: it takes no files")
    request.folder.mkdir(parents=True, exist_ok=True)
    module = exporter(chosen)
    module.write(request)
    return tuple(request.folder / name for name in module.names(request.board))
