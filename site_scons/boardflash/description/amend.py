"""Changes raw TOML data before it is read: assumptions where a source is silent, and what a board overrides.

Paths name a key with dots; an entry of an array of tables is named by its `size`: `erase.4096.typ_ms`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from boardflash.description.model import Assumption
from boardflash.description.toml_tables import Table, key_text, shown
from boardflash.errors import BoardflashError


def apply_assumed(
    data: Mapping[str, Any], file: str, name: str
) -> tuple[dict[str, Any], tuple[Assumption, ...]]:
    """Moves the `[assumed]` table's values to their places, and says which they were."""
    result = copy.deepcopy(dict(data))
    if "assumed" not in result:
        return result, ()
    table = Table(result, file, "", tuple(result)).free_table("assumed")
    del result["assumed"]
    found = []
    for path in table.names():
        entry = table.table(path, ("value", "reason"))
        reason = entry.text("reason")
        raw = data["assumed"][path]
        if "value" not in raw:
            entry.fail("value", "the value is missing")
        parent, key = _parent(result, path)
        if parent is None:
            table.fail(path, "no such place in this file")
        if key in parent:
            table.fail(
                path, f"the file gives {shown(parent[key])} already; an assumption stands where nothing does"
            )
        parent[key] = raw["value"]
        found.append(Assumption(subject=f"{name} {path}", value=shown(raw["value"]), reason=reason))
    return result, tuple(found)


def apply_override(
    data: Mapping[str, Any], override: Mapping[str, Any], prefix: str, where: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`data` with the board's values in place of the chip's, and one line for each that differs."""
    result = copy.deepcopy(dict(data))
    changed = []
    for path, value in _leaves(override, ""):
        parent, key = _parent(result, path, create=True)
        if parent is None:
            raise BoardflashError("no such place in the chip file", where=f"{where} {path} = {shown(value)}")
        assumed = _forget_assumed(result, path)
        old = parent.get(key, assumed)
        if old == value and type(old) is type(value) and assumed is None:
            continue
        kind = "chip file" if assumed is None else "assumed"
        was = f"{kind}: {'not given' if old is None else shown(old)}"
        parent[key] = copy.deepcopy(value)
        changed.append(f"{prefix}.{path} = {shown(value)} ({was})")
    return result, tuple(changed)


def refuse_fixed(override: Table, fixed: tuple[str, ...]) -> None:
    """What identifies a chip file can't be overridden by a board."""
    for key in fixed:
        if key in override:
            raise BoardflashError(
                "a board can't override this; write a chip file of your own", where=override.where(key)
            )


def _forget_assumed(data: dict[str, Any], path: str) -> object:
    """Drops the assumptions that a value at `path` takes the place of; the one at `path` itself, or None."""
    assumed = data.get("assumed")
    if not isinstance(assumed, dict):
        return None
    entry = assumed.pop(path, None)
    for below in [key for key in assumed if key.startswith(f"{path}.")]:
        del assumed[below]
    return entry.get("value") if isinstance(entry, dict) else None


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        here = f"{path}.{key_text(key)}" if path else key_text(key)
        if isinstance(value, dict):
            yield from _leaves(value, here)
        else:
            yield here, value


def _parent(data: dict[str, Any], path: str, *, create: bool = False) -> tuple[dict[str, Any] | None, str]:
    """The table that holds the last key of `path`, or None if the way there doesn't exist."""
    *steps, key = path.split(".")
    here: Any = data
    for step in steps:
        if isinstance(here, list):
            here = next(
                (item for item in here if isinstance(item, dict) and str(item.get("size")) == step), None
            )
        elif isinstance(here, dict) and create:
            here = here.setdefault(step, {})
        elif isinstance(here, dict):
            here = here.get(step)
        if here is None:
            return None, key
    return (here, key) if isinstance(here, dict) else (None, key)
