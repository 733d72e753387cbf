"""Reads TOML into typed values: unknown keys, wrong types and missing keys become one-line messages.

Every message names file, table and key; an unknown key is met with the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import tomli

from boardflash.errors import BoardflashError
from boardflash.files import read_file

SCHEMA = 1
_HEX_KEYS = {"address", "base", "idcode", "opcode", "registers", "set_bits", "size_register", "uid", "window"}


def shown(value: object) -> str:
    """A value as TOML would write it, cut short for a one-line message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, dict):
        text = "{ " + ", ".join(f"{key_text(key)} = {shown(item)}" for key, item in value.items()) + " }"
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def key_text(key: str) -> str:
    """A key as TOML would write it."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def type_name(value: object) -> str:
    """What TOML calls the type of a value."""
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "table"}
    return names.get(type(value), "date or time")


def nearest(word: str, known: Iterable[str]) -> str:
    """'; did you mean "x"?' where a known name is near, else the known names."""
    names = sorted(known)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{lower[close[0]]}"?'
    return f"; known are {', '.join(names)}" if names else ""


class Table:
    """One table of a file, read key by key. Creating it refuses keys that nobody knows."""

    def __init__(self, data: Mapping[str, Any], file: str, path: str, known: Sequence[str]) -> None:
        self._data = data
        self.file = file
        self.path = path
        for key in data:
            if key not in known:
                kind = "table" if isinstance(data[key], dict) else "key"
                raise BoardflashError(
                    f"unknown {kind}{nearest(key, known)}", where=self.where(key, value=False)
                )

    def where(self, key: str = "", *, value: bool = True) -> str:
        """File, table and key, with the value if there is one: the place that a message begins with."""
        table = f"[{self.path}]" if self.path else ""
        entry = key_text(key) if key else ""
        if isinstance(self._data.get(key), dict):
            table, entry = f"[{self._below(key)}]", ""
        elif key in self._data and value:
            found = self._data[key]
            in_hex = key in _HEX_KEYS and isinstance(found, int) and not isinstance(found, bool)
            entry = f"{entry} = {f'{found:#x}' if in_hex else shown(found)}"
        return f"{self.file}: " + " ".join(part for part in (table, entry) if part)

    def fail(self, key: str, message: str) -> NoReturn:
        raise BoardflashError(message, where=self.where(key))

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def names(self) -> tuple[str, ...]:
        return tuple(self._data)

    def _get(self, key: str, kind: type, wanted: str) -> Any:
        if key not in self._data:
            raise BoardflashError(f"the {wanted} is missing", where=self.where(key))
        found = self._data[key]
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            self.fail(key, f"expected {_article(wanted)}, found {_article(type_name(found))}")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self._data:
            return default
        found: str = self._get(key, str, "string")
        return found

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer from `low` to `high`, both included."""
        if default is not None and key not in self._data:
            return default
        found: int = self._get(key, int, "integer")
        if not low <= found <= high:
            form = "#x" if key in _HEX_KEYS else ""
            self.fail(key, f"expected {low:{form}} to {high:{form}}")
        return found

    def boolean(self, key: str, default: bool | None = None) -> bool:
        if default is not None and key not in self._data:
            return default
        found: bool = self._get(key, bool, "boolean")
        return found

    def choice(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        found = self.text(key, default)
        if found not in known:
            self.fail(key, f"unknown value{nearest(found, known)}")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings with at least one entry."""
        found = self._get(key, list, "array")
        if not found or not all(isinstance(item, str) for item in found):
            self.fail(key, "expected an array of at least one string")
        return tuple(found)

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of integers with at least one entry."""
        found = self._get(key, list, "array")
        if not found or not all(isinstance(item, int) and not isinstance(item, bool) for item in found):
            self.fail(key, "expected an array of at least one integer")
        return tuple(found)

    def table(self, key: str, known: Sequence[str]) -> Table:
        return Table(self._get(key, dict, "table"), self.file, self._below(key), known)

    def free_table(self, key: str) -> Table:
        """A table whose keys the reader of it decides on."""
        found = self._get(key, dict, "table")
        return Table(found, self.file, self._below(key), tuple(found))

    def tables(self, key: str, known: Sequence[str]) -> tuple[Table, ...]:
        """An array of tables, `[[key]]` or inline."""
        found = self._get(key, list, "array")
        if not found or not all(isinstance(item, dict) for item in found):
            self.fail(key, "expected an array of at least one table")
        return tuple(
            Table(item, self.file, f"{self._below(key)} #{number}", known)
            for number, item in enumerate(found, start=1)
        )

    def raw(self) -> Mapping[str, Any]:
        """The unread content."""
        return self._data

    def _below(self, key: str) -> str:
        return f"{self.path}.{key_text(key)}" if self.path else key_text(key)


def read_toml(path: Path, file: str) -> dict[str, Any]:
    """The raw content of a TOML file; syntax errors come with line and column."""
    try:
        raw = read_file(path)
    except BoardflashError as error:
        raise BoardflashError(error.message, where=file) from None
    except (FileNotFoundError, ValueError):  # ValueError: a path with a zero byte
        raise BoardflashError("no such file", where=file) from None
    except OSError as error:
        raise BoardflashError(f"cannot be read: {error.strerror}", where=file) from None
    try:
        return tomli.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BoardflashError("not UTF-8, as TOML has to be", where=f"{file}:{line}") from None
    except tomli.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        message = re.sub(r" \(at .*\)$", "", str(error))
        if place:
            where = f"{file}:{place[1]}:{place[2]}"
        else:
            where = f"{file}:{raw.count(bytes([10])) + 1}"  # tomli says "at end of document"
        raise BoardflashError(f"TOML syntax: {message[:1].lower()}{message[1:]}", where=where) from None
    except ValueError as error:  # a number of thousands of digits, a date that does not exist
        raise BoardflashError(f"TOML syntax: {str(error).splitlines()[0]}", where=file) from None
    except RecursionError:
        raise BoardflashError("TOML syntax: nested too deeply", where=file) from None


def check_head(table: Table, stem: str | None) -> str:
    """Checks `schema` and `name` of a file; the name must be the file's own where `stem` is given."""
    schema = table.integer("schema", 0, 1 << 31)
    if schema != SCHEMA:
        table.fail("schema", f"this boardflash reads schema {SCHEMA}; a newer one may read this file")
    name = table.text("name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        table.fail("name", "expected lower-case letters, digits, - and _")
    if stem is not None and name != stem:
        table.fail("name", f'the name must be the file\'s: "{stem}"')
    return name


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
