"""What a board file means, without where it lies or how it is written: the basis of digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum

from boardflash.description.model import Board, Lines

_NOT_FACTS = {"file"}


def board_facts(board: Board) -> dict[str, object]:
    """All that matters to loader and plan, as JSON can hold it; no paths, in a fixed order."""
    facts = _plain(board)
    assert isinstance(facts, dict)
    return facts


def board_digest(board: Board) -> str:
    """SHA-256 of the facts: equal for board files that differ in comments, order or folder only."""
    text = json.dumps(board_facts(board), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _left_out(value: object, field: dataclasses.Field[object]) -> bool:
    return bool(field.metadata.get("optional")) and getattr(value, field.name) == field.default


def _plain(value: object) -> object:
    if isinstance(value, Lines):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if not _left_out(value, field))
        return {name: _plain(getattr(value, name)) for name in sorted(fields) if name not in _NOT_FACTS}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex(" ").upper()
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
