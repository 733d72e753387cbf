"""Part numbers and pins of all STM32 parts with a QUADSPI, from the vendor's open pin data.

`boards/mcus/parts.csv` has one row for each package and temperature family, such as `STM32F745I(E-G)Kx`;
`boards/mcus/pinsets.csv` says which pin carries which signal at which alternate function.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from boardflash.description.toml_tables import nearest
from boardflash.errors import BoardflashError

_PATTERN = re.compile(
    r"(?P<head>STM32[A-Z0-9]+?)(?:\((?P<sizes>[A-Z0-9-]+)\))?(?P<package>[A-Z0-9])x(?P<tail>[A-Z]?)"
)
_SIGNAL = re.compile(r"QUADSPI1?_(?:BK(?P<bank>[12])_)?(?P<name>CLK|NCS|IO[0-3])")


@dataclass(frozen=True)
class Row:
    """One row of the part table, its pattern resolved to one flash size."""

    number: str  # "STM32F746NG"
    letter: str  # of the package: "H"
    tail: str  # a variant's letter behind the temperature range, such as "Q"; mostly empty
    pattern: str
    package: str
    flash_size: int
    device_id: int
    controllers: str
    pinset: str

    @property
    def full_number(self) -> str:
        """With package and variant: "STM32L496VGTxP"."""
        return f"{self.number}{self.letter}x{self.tail}"

    @property
    def has_quadspi(self) -> bool:
        return any(name.startswith("QUADSPI") for name in self.controllers.split("+"))

    def matches(self, number: str) -> bool:
        """Whether a number on a package, with or without its ending, is this part."""
        if not number.startswith(self.number):
            return False
        temperature = f"[0-9X]{self.tail}(?:TR)?" if self.tail else "[0-9X](?:TR)?"
        return re.fullmatch(f"(?:{self.letter}(?:{temperature})?)?", number[len(self.number) :]) is not None


@dataclass(frozen=True)
class PinFunction:
    """A pin that carries a QUADSPI signal."""

    signal: str  # "clk" "ncs" "io0".."io3"
    bank: int  # 0 = the same pin serves both banks
    pin: str
    function: int

    def __str__(self) -> str:
        return f"{self.pin} (AF{self.function})"


@lru_cache(maxsize=4)
def read_parts(folder: Path) -> tuple[Row, ...]:
    """All parts of the table in `folder`."""
    return tuple(row for record in _records(folder / "parts.csv") for row in _rows(record))


def find_part(number: str, rows: tuple[Row, ...], where: str) -> tuple[Row, ...]:
    """The rows that a part number names; several only if they agree in pins, flash size and die."""
    wanted = number.strip().upper()
    found = tuple(row for row in rows if row.matches(wanted))
    if not found:
        raise BoardflashError(_unknown(wanted, rows), where=where)
    served = any(row.has_quadspi for row in found)
    if served and len({(row.number, row.pinset, row.flash_size, row.device_id) for row in found}) > 1:
        names = ", ".join(sorted(row.full_number for row in found))
        raise BoardflashError(f"several parts differ in pins or flash; say which: {names}", where=where)
    return found


@lru_cache(maxsize=64)
def read_pins(folder: Path, pinset: str) -> tuple[PinFunction, ...]:
    """The QUADSPI pins of one pin set."""
    found = []
    for record in _records(folder / "pinsets.csv", f"{pinset},"):
        signal = _SIGNAL.fullmatch(record["signal"])
        if signal:
            bank = int(signal["bank"] or 0)
            found.append(PinFunction(signal["name"].lower(), bank, record["pin"], int(record["af"])))
    return tuple(sorted(found, key=lambda item: (item.signal, item.bank, _pin_order(item.pin))))


@lru_cache(maxsize=8)
def pins_of_family(folder: Path, pinset: str) -> frozenset[str]:
    """All pins that carry any of the controller's signals in some package of the same die."""
    family = pinset.rsplit("-", 1)[0] + "-"
    return frozenset(record["pin"] for record in _records(folder / "pinsets.csv", family))


def _rows(record: dict[str, str]) -> Iterator[Row]:
    match = _PATTERN.fullmatch(record["part"])
    if match is None:
        raise BoardflashError("a part number of another form", where=f"mcus/parts.csv: {record['part']}")
    letters = match["sizes"].split("-") if match["sizes"] else [""]
    for letter, size in zip(letters, record["flash_kib"].split("/"), strict=True):
        yield Row(
            number=match["head"] + letter,
            letter=match["package"],
            tail=match["tail"],
            pattern=record["part"],
            package=record["package"],
            flash_size=int(size or 0) * 1024,
            device_id=int(record["dev_id"] or "0", 16),
            controllers=record["controllers"],
            pinset=record["pinset"],
        )


def _records(path: Path, prefix: str = "") -> Iterator[dict[str, str]]:
    """The rows of a table; comment lines begin with #. `prefix` keeps rows that begin with it."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    except OSError as error:
        raise BoardflashError(
            f"the pin table cannot be read: {error.strerror}", where=f"mcus/{path.name}"
        ) from None
    head, *rows = lines
    yield from csv.DictReader([head, *(row for row in rows if row.startswith(prefix))])


def _unknown(number: str, rows: tuple[Row, ...]) -> str:
    """What to say of a part number that no row has."""
    numbers = sorted({row.number for row in rows})
    longer = [known for known in numbers if known.startswith(number)]
    if longer and len(number) >= len("STM32F7"):
        some = ", ".join(longer[:8]) + (", ..." if len(longer) > 8 else "")
        return f"the part number is not complete; it may be {some}"
    if any(known[:8] == number[:8] for known in numbers):
        return f"unknown part number{nearest(number, numbers)}"
    return "unknown part number; the pin table has STM32 parts with QUADSPI, OCTOSPI or XSPI only"


def _pin_order(pin: str) -> tuple[str, int]:
    return pin[:2], int(re.sub(r"\D", "", pin[2:]) or 0)
