"""Frozen dataclasses to JSON and back, strictly: what is read is exactly what would be written.

Knows the types that the description uses: int, str, bool, bytes (as hex), enums, tuples, mappings from
str, optional values, and dataclasses of these.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast

from boardflash.errors import BoardflashError

T = TypeVar("T")

_NAMES = {int: "an integer", str: "a string", bool: "true or false", bytes: "hex digits"}
# A list of plain values that json.dumps spread over lines; a string cannot hold the line break after "[".
_FLAT_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")


def encode(value: object) -> Any:
    """`value` in the types of JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value) if not _left_out(value, f)}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def decode(kind: type[T], data: object, *, where: str, key: str = "") -> T:
    """The `kind` that `encode` made `data` of; `where` and `key` name the place in messages."""
    return cast(T, _decode(kind, data, where, key))


def _left_out(value: object, field: Field[Any]) -> bool:
    """An optional field at its default: plans that were made before it was there have none."""
    return bool(field.metadata.get("optional")) and getattr(value, field.name) == field.default


def canonical(data: object) -> bytes:
    """The one spelling that digests are taken of."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def pretty(data: object) -> str:
    """For a file that people read: sorted keys, lists of plain values on one line."""
    text = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=True)
    return _FLAT_LIST.sub(lambda m: "[" + re.sub(r"\n\s*", " ", m.group(1)) + "]", text) + "\n"


def _decode(kind: Any, data: object, where: str, key: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        return _decode(next(a for a in arguments if a is not type(None)), data, where, key)
    if origin is tuple:
        return _decode_tuple(arguments, data, where, key)
    if origin is not None and issubclass(origin, Mapping):
        table = _expect(dict, data, "a table", where, key)
        return {name: _decode(arguments[1], item, where, f"{key}.{name}") for name, item in table.items()}
    if is_dataclass(kind):
        return _decode_dataclass(cast(Any, kind), data, where, key)
    if issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise _fault(where, key, f"must be one of {known}, found {_show(data)}") from None
    if kind is bytes:
        try:
            text = _expect(str, data, _NAMES[bytes], where, key)
            value = bytes.fromhex(text)
        except ValueError:
            raise _fault(where, key, f"must be hex digits, found {_show(data)}") from None
        if value.hex() != text:
            raise _fault(where, key, f"must be hex digits in lower case, found {_show(data)}")
        return value
    return _expect(kind, data, _NAMES[kind], where, key)


def _decode_tuple(arguments: tuple[Any, ...], data: object, where: str, key: str) -> tuple[object, ...]:
    items = _expect(list, data, "a list", where, key)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(arguments[0], item, where, f"{key}[{i}]") for i, item in enumerate(items))
    if len(items) != len(arguments):
        raise _fault(where, key, f"must have {len(arguments)} elements, found {len(items)}")
    return tuple(
        _decode(kind, item, where, f"{key}[{i}]")
        for i, (kind, item) in enumerate(zip(arguments, items, strict=True))
    )


def _decode_dataclass(kind: type, data: object, where: str, key: str) -> object:
    table = _expect(dict, data, "a table", where, key)
    hints = _hints(kind)
    for name in table:
        if name not in hints:
            raise _fault(where, _join(key, name), "unknown key")
    optional = {field.name for field in fields(kind) if field.metadata.get("optional")}
    for name in hints:
        if name not in table and name not in optional:
            raise _fault(where, _join(key, name), "missing key")
    return kind(
        **{n: _decode(hint, table[n], where, _join(key, n)) for n, hint in hints.items() if n in table}
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _expect(kind: type, data: object, name: str, where: str, key: str) -> Any:
    # bool is an int to Python, not to JSON.
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise _fault(where, key, f"must be {name}, found {_show(data)}")
    return data


def _fault(where: str, key: str, message: str) -> BoardflashError:
    return BoardflashError(message, where=f"{where}: {key}" if key else where)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _show(data: object) -> str:
    text = json.dumps(data)
    return text if len(text) <= 40 else text[:37] + "..."
