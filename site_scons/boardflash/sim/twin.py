"""A twin: what is soldered on one simulated board, in the simulation's own words.

The simulation reads this and never a board file: a board file says what we believe, a twin what is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

import tomli

from boardflash.errors import BoardflashError
from boardflash.files import read_file
from boardflash.sim.bus import REGISTER_CYCLES
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.nor.part import load_part
from boardflash.sim.rcc import HSI_PPM

BUSY_STAYS = ("never", "reads", "always")
STARTS = ("blank", "noise")
OPTION_REGISTERS = ("optcr", "optcr1")
_PIN = re.compile(r"P[A-K]([0-9]|1[0-5])")
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
    lsi_hz: int = 32_000
    hsi_ppm: int = 0
    """By how much the internal oscillator is off, in millionths (`rcc.HSI_PPM`)."""
    register_cycles: int = REGISTER_CYCLES
    """HCLK cycles that the core's access to a peripheral's register takes (`bus.py`). 1: as quick as RAM."""
    option_bytes: Mapping[str, int] = field(default_factory=dict)
    """Differences from the factory's OPTCR and OPTCR1, by name (`optcr`, `optcr1`)."""
    chip_options: Mapping[str, object] = field(default_factory=dict)
    """The state that the chip is found in and its faults (`nor/options.py`)."""
    chip_faults: Mapping[str, object] = field(default_factory=dict)
    """Those of `chip_options` that a caller has asked for now: they act on a board with a past, too."""
    busy_stays: str = "reads"
    """After which transfers the QUADSPI stays busy until an abort: one of `BUSY_STAYS` (`quadspi.py`)."""
    late_abort: bool = False
    """The flag that tells of an abort's end comes after BUSY has fallen (`quadspi.py`)."""
    start: str = "blank"
    """What a new board's flash holds: `blank`, or `noise` (a board that has been used before)."""

    def __post_init__(self) -> None:
        die_of(self.mcu, f"{self.name}: mcu")
        for name, checker in _CHECKS.items():
            try:
                checker(getattr(self, name))
            except ValueError as error:
                raise BoardflashError(str(error), where=f"{self.name}: {name}") from None
        ChipOptions.from_table(self.chip_options, f"{self.name}: [chip_options]", load_part(self.chip))


def check_value(name: str, value: object) -> None:
    """Raises ValueError with what that field of a twin takes."""
    _CHECKS[name](value)


def check_wire(pin: str, line: object) -> None:
    """Raises ValueError where no wire can go from that pin to that line."""
    if _PIN.fullmatch(pin) is None:
        raise ValueError(f'no pin "{pin}"; there are PA0 to PK15')
    if line not in _SIGNALS:
        raise ValueError(f'no line "{line}"; a chip has {", ".join(_SIGNALS)}')


def check_option_register(name: str, value: object) -> None:
    """Raises ValueError where the option bytes have no such register, or it can't hold that."""
    if name not in OPTION_REGISTERS:
        raise ValueError(f'no option register "{name}"; there are {", ".join(OPTION_REGISTERS)}')
    _whole(0, 0xFFFF_FFFF, "a value of 32 bits")(value)


def die_of(mcu: str, where: str) -> str:
    """The name of the die file (`mcus/`) whose part numbers begin as that one does."""
    parts: dict[str, str] = {}
    for entry in (resources.files("boardflash.sim") / "mcus").iterdir():
        if entry.name.endswith(".toml"):
            for part in tomli.loads(entry.read_text(encoding="utf-8"))["parts"]:
                parts[part] = entry.name[:-5]
    for part, die in parts.items():
        if str(mcu).startswith(part):
            return die
    known = sorted(parts)
    raise BoardflashError(
        f'"{mcu}" is not simulated; the simulated MCUs are {", ".join(known[:-1])} and {known[-1]}',
        where=where,
    )


def _choice(choices: tuple[str, ...]) -> Callable[[object], None]:
    def check(value: object) -> None:
        if value not in choices:
            raise ValueError(f'"{value}" is none of {", ".join(choices)}')

    return check


def _whole(low: int, high: int, expected: str) -> Callable[[object], None]:
    def check(value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"expected {expected}")

    return check


def _boolean(value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")


def _crystal(value: object) -> None:
    if value is not None:
        _whole(4_000_000, 26_000_000, "a frequency in Hz, 4000000 to 26000000")(value)


def _chip(value: object) -> None:
    try:
        load_part(str(value))
    except BoardflashError as error:
        raise ValueError(error.message) from None


_CHECKS: Mapping[str, Callable[[object], None]] = {
    "busy_stays": _choice(BUSY_STAYS),
    "chip": _chip,
    "flash_kib": _whole(64, 1024, "a whole number of KiB, 64 to 1024"),
    "hse_hz": _crystal,
    "hsi_ppm": _whole(HSI_PPM[0], HSI_PPM[-1], f"a whole number from {HSI_PPM[0]} to {HSI_PPM[-1]}"),
    "late_abort": _boolean,
    "lsi_hz": _whole(17_000, 47_000, "a frequency in Hz, 17000 to 47000"),
    "register_cycles": _whole(1, 1000, "a whole number from 1 on"),
    "revision": _whole(0, 0xFFFF, "a number of 16 bits, like 0x1001"),
    "start": _choice(STARTS),
    "supply_mv": _whole(1700, 3600, "a whole number of millivolts, 1700 to 3600"),
}
_KEYS = {field.name for field in fields(Twin)} - {"chip_faults"}


def twin_names() -> list[str]:
    """The twins that come with the simulation."""
    folder = resources.files("boardflash.sim") / "twins"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_twin(name: str) -> Twin:
    """The twin of that name, or the one in the file at that path."""
    path = Path(name)
    if path.suffix == ".toml":
        return _parse(_text_of(path), name)
    entry = resources.files("boardflash.sim") / "twins" / f"{name}.toml"
    if not entry.is_file():
        raise BoardflashError(
            f"no simulated board of that name; there are {', '.join(twin_names())}", where=name
        )
    return _parse(entry.read_text(encoding="utf-8"), f"twins/{name}.toml")


def _text_of(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError:
        raise BoardflashError("not UTF-8, as TOML has to be", where=str(path)) from None
    except (FileNotFoundError, ValueError):  # ValueError: a path with a zero byte
        raise BoardflashError("no such twin file", where=str(path)) from None
    except OSError as error:
        raise BoardflashError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _parse(text: str, where: str) -> Twin:
    try:
        raw = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        told = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise BoardflashError(told, where=where) from error
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise BoardflashError(
            f"unknown key; known are {', '.join(sorted(_KEYS))}", where=f"{where}: {unknown[0]}"
        )
    missing = sorted({"name", "mcu", "chip", "wiring"} - set(raw))
    if missing:
        raise BoardflashError(f"{missing[0]} is missing", where=where)
    for key in ("name", "mcu", "chip"):
        if not isinstance(raw[key], str):
            raise BoardflashError("expected a text", where=f"{where}: {key}")
    for table in ("wiring", "option_bytes", "chip_options"):
        if not isinstance(raw.get(table, {}), dict):
            raise BoardflashError("expected a table", where=f"{where}: {table}")
    for table, check in (("wiring", check_wire), ("option_bytes", check_option_register)):
        for key, value in raw.get(table, {}).items():
            try:
                check(key, value)
            except ValueError as error:
                raise BoardflashError(str(error), where=f"{where}: [{table}] {key}") from None
    return Twin(**raw)
