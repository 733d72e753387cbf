"""A twin: what is soldered on one simulated board, in the simulation's own words.

The simulation reads this and never a board file: a board file says what we believe, a twin what is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

import tomli

from boardflash.errors import BoardflashError

BUSY_STAYS = ("never", "reads", "always")
_SIGNALS = ("clk", "ncs", "io0", "io1", "io2", "io3")


@dataclass(frozen=True)
class Twin:
    """One board as built. `wiring` maps an MCU pin to the NOR chip's line."""

    name: str
    mcu: str
    chip: str
    wiring: Mapping[str, str]
    flash_kib: int = 1024
    supply_mv: int = 3300
    revision: int = 0x1001
    hse_hz: int | None = None
    option_bytes: Mapping[str, int] = field(default_factory=dict)
    """Differences from the factory's OPTCR and OPTCR1, by name (`optcr`, `optcr1`)."""
    chip_options: Mapping[str, object] = field(default_factory=dict)
    """The state that the chip is found in and its faults (`nor/options.py`)."""
    busy_stays: str = "reads"
    """After which transfers the QUADSPI stays busy until an abort: one of `BUSY_STAYS` (`quadspi.py`)."""
    start: str = "blank"
    """What a new board's flash holds: `blank`, or `noise` (a board that has been used before)."""

    def __post_init__(self) -> None:
        if self.busy_stays not in BUSY_STAYS:
            raise BoardflashError(
                f'"{self.busy_stays}" is none of {", ".join(BUSY_STAYS)}', where=f"{self.name}: busy_stays"
            )


_KEYS = {field.name for field in fields(Twin)}


def twin_names() -> list[str]:
    """The twins that come with the simulation."""
    folder = resources.files("boardflash.sim") / "twins"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_twin(name: str) -> Twin:
    """The twin of that name, or the one in the file at that path."""
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise BoardflashError("no such twin file", where=name)
        return _parse(path.read_text(encoding="utf-8"), name)
    entry = resources.files("boardflash.sim") / "twins" / f"{name}.toml"
    if not entry.is_file():
        raise BoardflashError(
            f"no simulated board of that name; there are {', '.join(twin_names())}", where=name
        )
    return _parse(entry.read_text(encoding="utf-8"), f"twins/{name}.toml")


def _parse(text: str, where: str) -> Twin:
    try:
        raw = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise BoardflashError(str(error), where=where) from error
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise BoardflashError(
            f"unknown key; known are {', '.join(sorted(_KEYS))}", where=f"{where}: {unknown[0]}"
        )
    missing = sorted({"name", "mcu", "chip", "wiring"} - set(raw))
    if missing:
        raise BoardflashError(f"{missing[0]} is missing", where=where)
    for pin, line in raw["wiring"].items():
        if line not in _SIGNALS:
            raise BoardflashError(
                f'no line "{line}"; a chip has {", ".join(_SIGNALS)}', where=f"{where}: [wiring] {pin}"
            )
    return Twin(**raw)
