"""Where board, chip and die files lie: the folders of `BOARDPATH`, then our own.

A folder of the board path holds board files, and may bring `chips/` and `mcus/` beside them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from boardflash.description.mcus import Die, parse_mcu
from boardflash.description.toml_tables import nearest, read_toml
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir


def board_path_from_environment() -> tuple[Path, ...]:
    """The folders that the environment variable BOARDPATH names."""
    return tuple(Path(entry) for entry in os.environ.get("BOARDPATH", "").split(os.pathsep) if entry)


class Library:
    """All folders that a search goes through, in order; nearer ones hide later ones."""

    def __init__(self, board_path: Sequence[Path] = (), beside: Path | None = None) -> None:
        own = data_dir("boards")
        self.tables = own / "mcus"  # parts.csv and pinsets.csv
        self._own = own
        folders = [*([beside] if beside else []), *board_path, own]
        self._folders = tuple(dict.fromkeys(folder.absolute() for folder in folders))
        for folder in board_path:
            if not folder.is_dir():
                raise BoardflashError("no such folder", where=f"BOARDPATH: {folder}")

    def shown(self, path: Path) -> str:
        """A file as messages name it: ours as `boards/...`, others relative to the working folder."""
        path = path.absolute()
        if path.is_relative_to(self._own):
            return "boards/" + path.relative_to(self._own).as_posix()
        if path.is_relative_to(Path.cwd()):
            return path.relative_to(Path.cwd()).as_posix()
        return path.as_posix()

    def names(self, kind: str) -> tuple[str, ...]:
        """The stems of all files of a kind: "" for boards, "chips" or "mcus"."""
        return tuple(
            sorted({file.stem for folder in self._folders for file in (folder / kind).glob("*.toml")})
        )

    def find(self, kind: str, name: str) -> Path | None:
        for folder in self._folders:
            path = folder / kind / f"{name}.toml"
            if path.is_file():
                return path
        return None

    def chip_data(self, name: str, where: str) -> tuple[str, Mapping[str, Any]]:
        """A chip file, unread but for its syntax, and its name for messages."""
        return self._data("chips", "chip", name, where)

    def mcu(self, name: str, where: str = "") -> Die:
        file, data = self._data("mcus", "MCU", name, where)
        return parse_mcu(data, file, name)

    def board_file(self, name: str) -> Path:
        path = self.find("", name)
        if path is None:
            raise BoardflashError(f"unknown board{nearest(name, self.names(''))}", where=f'board "{name}"')
        return path

    def _data(self, kind: str, noun: str, name: str, where: str) -> tuple[str, Mapping[str, Any]]:
        path = self.find(kind, name)
        if path is None:
            raise BoardflashError(f'unknown {noun} "{name}"{nearest(name, self.names(kind))}', where=where)
        file = self.shown(path)
        return file, read_toml(path, file)
