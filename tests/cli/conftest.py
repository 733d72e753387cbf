"""The command line run in this process, its schema, and a device that answers without a board behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boardflash.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Said]:
    """Run `boardflash ...`; state goes to this test's own folder."""
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("BOARDFLASH_DEBUG", raising=False)

    def run(*words: object) -> Said:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture
def valid_report() -> Callable[[Any], None]:
    """Checks a value against docs/report.schema.json."""
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))

    def check(value: Any) -> None:
        faults = schema_faults(schema, schema, value, "report")
        assert not faults, faults

    return check


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}
_KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "oneOf", "type", "properties", "required"),
    *("additionalProperties", "items", "enum", "const", "pattern", "minimum"),
}


def schema_faults(root: Any, schema: Any, value: Any, where: str) -> list[str]:
    """What of JSON Schema our own file uses; a keyword that is not checked here is itself a fault."""
    if unknown := set(schema) - _KNOWN:
        return [f"{where}: this check does not know {sorted(unknown)}"]
    faults = []
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        faults += schema_faults(root, target, value, where)
    if "oneOf" in schema:
        results = [schema_faults(root, option, value, where) for option in schema["oneOf"]]
        if sum(not result for result in results) != 1:
            faults.append(
                f"{where}: matches {sum(not r for r in results)} forms, nearest: {min(results, key=len)}"
            )
    if "const" in schema and value != schema["const"]:
        faults.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        faults.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "type" in schema and not _TYPES[schema["type"]](value):
        return [*faults, f"{where}: {value!r} is no {schema['type']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        faults.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if "minimum" in schema and value < schema["minimum"]:
        faults.append(f"{where}: {value!r} is below {schema['minimum']}")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        faults += [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in properties:
                faults += schema_faults(root, properties[name], item, f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                faults.append(f"{where}: unknown {name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            faults += schema_faults(root, schema["items"], item, f"{where}[{index}]")
    return faults
