"""Hostile files out of good ones: bytes, words, JSON and TOML values changed, files cut and put together.

Number N of a parser is always the same input, on every machine.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

WORDS = (0, 1, 2, 4, 31, 32, 40, 0x34, 0xFF, 0x100, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0)
WORDS = (*WORDS, 0xFFFF_FFFF)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 255, 4096, 1 << 31, 0xFFFF_FFFF, 1 << 32, 1 << 63, 1 << 64, 10**400),
    *(0.5, 1e308, float("inf"), "", "x", "\x1b[31m", "a\0b", "../../etc/passwd", "9" * 5000, "ä" * 100),
    *([], {}, [[]], [None], ["x"], {"x": 1}, {"": {}}, [0] * 1000, "00", "Zm9v", "internal", "qspi"),
)
TOML = (
    "0",
    "-1",
    "1e400",
    "inf",
    "nan",
    "true",
    '""',
    '"x"',
    "[]",
    "{}",
    "[[]]",
    '["x"]',
    "0x",
    "99999999999999999999",
)
TOML = (
    *TOML,
    '"\\u0000"',
    "1979-05-27",
    "{ a = 1 }",
    "[1, 2]",
    "0xFFFF_FFFF",
    "4294967296",
    '"PZ99"',
    '"\\u001b[1m"',
)


def mutated(seed: bytes, kind: str, number: int, name: str) -> bytes:
    chance = random.Random(f"{name} {number}")
    ways = {"json": (_json, _json, _text, _bytes), "lines": (_lines, _lines, _text, _bytes)}
    ways |= {"toml": (_toml, _toml, _text, _bytes), "binary": (_bytes, _bytes, _head, _head)}
    data = seed
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(ways[kind])(data, chance)
    if chance.random() < 0.1:
        data = data[: chance.randrange(len(data) + 1)]
    return data


def _bytes(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if not out:
            return bytes(chance.randbytes(8))
        at = chance.randrange(len(out))
        choice = chance.random()
        if choice < 0.4:
            out[at] = chance.randrange(256)
        elif choice < 0.7:
            width = chance.choice((1, 2, 4))
            out[at : at + width] = (chance.choice(WORDS) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        elif choice < 0.85:
            del out[at : at + chance.randint(1, 64)]
        else:
            start = chance.randrange(len(out))
            out[at:at] = out[start : start + chance.randint(1, 200)]
    return bytes(out)


def _head(data: bytes, chance: random.Random) -> bytes:
    """Where formats have their counts, offsets and sizes."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        near_end = chance.random() < 0.4
        at = (
            max(0, len(out) - chance.randint(4, 2000))
            if near_end
            else chance.randrange(min(400, len(out) or 1))
        )
        width = chance.choice((1, 2, 4))
        out[at : at + width] = (chance.choice(WORDS) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return bytes(out)


def _text(data: bytes, chance: random.Random) -> bytes:
    """Lines doubled, dropped, moved."""
    lines = data.split(b"\n")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        line = lines[at]
        choice = chance.random()
        if choice < 0.3 and len(lines) > 1:
            del lines[at]
        elif choice < 0.6:
            lines.insert(chance.randrange(len(lines) + 1), line)
        else:
            lines[at] = _bytes(line, chance)
    return b"\n".join(lines)


def _json(data: bytes, chance: random.Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(data, chance)
    return _dumped(_changed(value, chance))


def _lines(data: bytes, chance: random.Random) -> bytes:
    """One JSON value a line."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    lines[at] = _json(lines[at], chance)
    return b"\n".join(lines)


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b"[" * 5000


def _changed(value: Any, chance: random.Random) -> Any:
    """One place of it: another value, a key more or less, a list longer or shorter."""
    place, key = None, None
    at = value
    while isinstance(at, (dict, list)) and at and (place is None or chance.random() < 0.8):
        place = at
        key = chance.choice(list(at)) if isinstance(at, dict) else chance.randrange(len(at))
        at = place[key]
    if place is None or chance.random() < 0.03:
        return chance.choice(VALUES)
    choice = chance.random()
    if choice < 0.15:
        del place[key]
    elif choice < 0.25 and isinstance(place, dict):
        place[chance.choice(("x", "", "schema", "\x07"))] = chance.choice(VALUES)
    elif choice < 0.35 and isinstance(place, list):
        place.append(chance.choice((at, chance.choice(VALUES))))
    elif choice < 0.6 and isinstance(at, int) and not isinstance(at, bool):
        place[key] = at + chance.choice((-1, 1, 4, 0x1000, 1 << 32))
    else:
        place[key] = chance.choice(VALUES)
    return value


def _toml(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    found = list(re.finditer(r"=\s*([^#\n]+)", text))
    if not found:
        return _bytes(data, chance)
    place = chance.choice(found)
    return (text[: place.start(1)] + chance.choice(TOML) + text[place.end(1) :]).encode()
