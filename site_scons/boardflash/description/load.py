"""The way in: a board, chip or MCU by name or path; lists; and the digest of what a board file means.

board = load_board("stm32f746g-disco", board_path_from_environment())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.description.boards import BOARD_KEYS, parse_board
from boardflash.description.chips import parse_chip
from boardflash.description.facts import board_digest, board_facts
from boardflash.description.files import Library, board_path_from_environment
from boardflash.description.model import Board, Chip, Mcu
from boardflash.description.toml_tables import Table, read_toml

__all__ = [
    "BoardEntry",
    "board_digest",
    "board_facts",
    "board_path_from_environment",
    "list_boards",
    "list_chips",
    "load_board",
    "load_chip",
    "load_mcu",
]


@dataclass(frozen=True)
class BoardEntry:
    """One line of `list-boards`."""

    name: str
    title: str
    mcu: str
    file: str  # as messages show it
    path: Path


def load_board(name_or_path: str | Path, board_path: Sequence[Path] = ()) -> Board:
    """A board by its name, or by the path of its file (anything with a folder in it or ending in .toml)."""
    path = _as_path(name_or_path)
    if path is None:
        library = Library(board_path)
        path = library.board_file(str(name_or_path))
    else:
        library = Library(board_path, beside=path.parent)
    file = library.shown(path)
    return parse_board(read_toml(path, file), file, path.stem, library, path.parent)


def list_boards(board_path: Sequence[Path] = ()) -> tuple[BoardEntry, ...]:
    """All boards that a name can reach, by name. Only the head of each file is read."""
    library = Library(board_path)
    entries = []
    for name in library.names(""):
        path = library.board_file(name)
        file = library.shown(path)
        data = read_toml(path, file)
        if "mcu" not in data:
            continue  # a folder of the board path may hold other TOML files, pyproject.toml for one
        top = Table(data, file, "", BOARD_KEYS)
        entries.append(BoardEntry(name, top.text("title"), top.text("mcu"), file, path))
    return tuple(entries)


def list_chips(board_path: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names of all chips that a board may list."""
    return Library(board_path).names("chips")


def load_chip(name_or_path: str | Path, board_path: Sequence[Path] = ()) -> Chip:
    """A chip by name or by the path of its file."""
    path = _as_path(name_or_path)
    library = Library(board_path)
    if path is None:
        file, data = library.chip_data(str(name_or_path), "")
        return parse_chip(data, file, str(name_or_path))
    file = library.shown(path)
    return parse_chip(read_toml(path, file), file, path.stem)


def load_mcu(name: str, board_path: Sequence[Path] = ()) -> Mcu:
    """A die by the name of its file."""
    return Library(board_path).mcu(name).mcu


def _as_path(name_or_path: str | Path) -> Path | None:
    if isinstance(name_or_path, Path):
        return name_or_path
    is_path = name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path
    return Path(name_or_path) if is_path else None
