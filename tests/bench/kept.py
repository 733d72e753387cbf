"""The kept results of the side-by-side measurement, each with the sources that it is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cases import ROOT, all_cases

#: All that a figure depends on, but for the tools' own versions.
SOURCES = (
    "boards",
    "loader",
    "site_scons/boardflash",
    "examples/make_assets.py",
    "tests/bench/cases.py",
    "tests/bench/runners.py",
    "tests/peers",
    "tests/rig.py",
)
KINDS = (".py", ".c", ".h", ".j2", ".toml", ".cfg", ".ld", ".S", ".s")


def _files() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        found = [path] if path.is_file() else path.rglob("*")
        yield from sorted(f for f in found if f.suffix in KINDS and not f.name.startswith("test_"))


@lru_cache(maxsize=1)
def sources() -> str:
    """A name for the sources as they are now: two results of one name are of the same sources."""
    state = hashlib.sha256()
    for path in _files():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        state.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return state.hexdigest()[:12]


@dataclass
class Kept:
    """What bench.json holds: for each case's key its figures, and `sources`."""

    results: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Kept:
        if not path.is_file():
            return cls()
        return cls(json.loads(path.read_text(encoding="utf-8"))["results"])

    def has(self, key: str) -> bool:
        """Whether there is a result of the sources as they are now."""
        return self.results.get(key, {}).get("sources") == sources()

    def save(self, path: Path) -> None:
        """Without what is no case any more, and without times of this machine."""
        known = {case.key for case in all_cases()}
        self.results = {
            key: {name: value for name, value in result.items() if name != "wall_seconds"}
            for key, result in self.results.items()
            if key in known
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        beside.write_text(
            json.dumps({"results": self.results}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        beside.replace(path)
