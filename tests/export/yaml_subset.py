"""A strict reader of the YAML of target descriptions: block maps and lists, plain scalars, tags.

Numbers as yaml_serde resolves them (YAML 1.2 core schema): decimal, 0x hexadecimal. What is not understood is
an error, so that nothing passes by accident.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_KEY = re.compile(r"([A-Za-z_][\w-]*):(?: (.+))?$")


@dataclass(frozen=True)
class Tagged:
    tag: str
    value: Any


def load(text: str) -> Any:
    assert text.endswith("\n") and "\t" not in text and "\r" not in text
    lines = [(len(s) - len(s.lstrip(" ")), s.strip(" ")) for s in text.split("\n")[:-1] if s[:1] != "#"]
    assert all(content and "#" not in content for _, content in lines), "no blank lines, no inner comments"
    value, rest = _block(lines, 0)
    assert rest == len(lines)
    return value


def _block(lines: list[tuple[int, str]], at: int) -> tuple[Any, int]:
    indent, content = lines[at]
    return (_list if content.startswith("- ") else _map)(lines, at, indent)


def _list(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[list[Any], int]:
    found = []
    while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
        content = lines[at][1][2:]
        if re.fullmatch(r"!\w+", content):
            value, at = _block(lines, at + 1)
            found.append(Tagged(content[1:], value))
        elif _KEY.match(content):
            lines[at] = (indent + 2, content)
            value, at = _map(lines, at, indent + 2)
            found.append(value)
        else:
            found.append(_scalar(content))
            at += 1
    return found, at


def _map(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent and not lines[at][1].startswith("- "):
        match = _KEY.match(lines[at][1])
        assert match, lines[at][1]
        key, rest = match[1], match[2]
        assert key not in found, f"duplicate key {key}"
        at += 1
        if rest is None:
            found[key], at = _block(lines, at)
        elif re.fullmatch(r"!\w+", rest):
            value, at = _block(lines, at)
            found[key] = Tagged(rest[1:], value)
        else:
            found[key] = _scalar(rest)
    return found, at


def _scalar(text: str) -> Any:
    tagged = re.fullmatch(r"!(\w+) (.+)", text)
    if tagged:
        return Tagged(tagged[1], _scalar(tagged[2]))
    if re.fullmatch(r"0x[0-9a-f]+|0|[1-9][0-9]*", text):
        return int(text, 0)
    if text in ("true", "false"):
        return text == "true"
    assert text.lower() not in ("null", "~", "yes", "no") and not re.match(r"[-+.]?[0-9.]+$", text), text
    assert re.fullmatch(r"[A-Za-z0-9/+][\w ,.()/+=-]*", text), text
    return text
