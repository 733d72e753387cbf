"""What a twin may say about its chip: the state it is found in, and its faults.

    [chip_options]
    quad_enable = false
    registers = { sr1 = 0x1C }

On the command line the same names are faults: `--fault quad_enable=false`. Each value is checked here,
against what there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boardflash.errors import BoardflashError
from boardflash.sim.nor.part import Part

_MAX_ID = 20  # 9Fh of Micron: three bytes, a length, 16 more


@dataclass(frozen=True)
class StuckBit:
    """A cell that neither erase nor program can change."""

    address: int
    bit: int
    value: int


@dataclass(frozen=True)
class ChipOptions:
    """All default to a chip fresh from the factory. The start state ends with the first power cycle."""

    qpi: bool = False  # left in QPI by earlier firmware
    continuous_read: bool = False  # left in continuous read (Micron: XIP) of EBh
    four_byte: bool = False  # left in 4-byte addressing
    deep_power_down: bool = False
    busy_ms: int = 0  # a chip erase begun earlier still runs for so long
    quad_enable: bool | None = None  # None = as delivered
    quad_enable_stuck: bool = False  # the bit reads 0 whatever is written to it
    extra_dummies: int = 0  # clocks that each read with dummies needs beyond what its data sheet says
    unknown_opcodes: tuple[int, ...] = ()  # that the data sheet has and this chip has not
    wraps_at: int | None = None  # a counterfeit: a die of so many bytes answers for the size in its ID
    registers: tuple[tuple[str, int], ...] = ()  # non-volatile values, by the chip's names: ("sr1", 0x1C)
    stuck: tuple[StuckBit, ...] = ()
    erase_fails: tuple[int, ...] = ()  # addresses whose erase unit ends with an error and keeps its content
    erase_time_factor: float = 1.0  # of the typical time
    jedec_id: bytes | None = None  # answers 9Fh with these instead
    unique_id: bytes | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, object], where: str, part: Part | None = None) -> ChipOptions:
        """From TOML: `stuck = [{ address, bit, value }]`, `registers = { sr1 = 0x1C }`, IDs as "EF 40 18".

        Raises BoardflashError that names the key and what it takes; with `part`, what that chip has.
        """
        values: dict[str, Any] = {}
        for key, value in table.items():
            try:
                values[key] = parse_option(key, value)
                if part is not None:
                    check_option(part, key, values[key])
            except ValueError as error:
                raise BoardflashError(str(error), where=f"{where} {key}") from None
        return cls(**values)


def parse_option(name: str, value: object) -> Any:
    """The value of that field. Raises ValueError with what it takes."""
    if name not in _PARSERS:
        raise ValueError(f"unknown key; known are {', '.join(sorted(_PARSERS))}")
    return _PARSERS[name](value)


def check_option(part: Part, name: str, value: Any) -> None:
    """Raises ValueError where the chip has no such thing, with what it has."""
    if name == "registers":
        for register, content in value:
            if register not in part.registers:
                raise ValueError(
                    f"{part.name} has no register {register}; it has {', '.join(part.registers)}"
                )
            highest = 0xFFFF if part.registers[register] > 0xFF else 0xFF
            if not 0 <= content <= highest:
                raise ValueError(f"{register} of {part.name} takes 0 to 0x{highest:X}")
    elif (name, value) in (("quad_enable", False), ("quad_enable_stuck", True)):
        if part.vendor == "micron":
            raise ValueError(f"{part.name} has no quad enable bit, four lines always work")
        if name == "quad_enable" and "qe_fixed" in part.features:
            raise ValueError(
                f"quad enable of {part.name} is fixed at 1; quad_enable_stuck makes a faulty chip"
            )
    elif name == "wraps_at" and value is not None and value >= part.size:
        raise ValueError(f"expected less than the {part.size:#x} bytes of {part.name}")
    elif name in ("erase_fails", "stuck"):
        for entry in value:
            address = entry.address if isinstance(entry, StuckBit) else entry
            if address >= part.size:
                raise ValueError(f"{address:#x} is beyond the {part.size:#x} bytes of {part.name}")


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _whole(value: object, low: int, high: int, expected: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"expected {expected}")
    return value


def _wraps_at(value: object) -> int:
    size = _whole(value, 1 << 16, 1 << 32, _WRAPS_AT)
    if size & (size - 1):
        raise ValueError(f"expected {_WRAPS_AT}")
    return size


_WRAPS_AT = "a size in bytes, a power of two from 0x10000 on"
_ADDRESSES = "a list of addresses, like [0x1000, 0x2000]"
_OPCODES = "a list of opcodes, like [0x32, 0x38]"
_BITS = "a list of bits, like [{ address = 0x1000, bit = 3, value = 0 }]"
_REGISTERS = "a table of the chip's registers, like { sr1 = 0x1C }"


def _numbers(value: object, high: int, expected: str) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected {expected}")
    return tuple(_whole(entry, 0, high, expected) for entry in value)


def _stuck(value: object) -> tuple[StuckBit, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected {_BITS}")
    bits = []
    for entry in value:
        if not isinstance(entry, Mapping) or set(entry) != {"address", "bit", "value"}:
            raise ValueError(f"expected {_BITS}")
        bits.append(
            StuckBit(
                _whole(entry["address"], 0, 1 << 32, _BITS),
                _whole(entry["bit"], 0, 7, f"{_BITS}; a bit is 0 to 7"),
                _whole(entry["value"], 0, 1, f"{_BITS}; a value is 0 or 1"),
            )
        )
    return tuple(bits)


def _registers(value: object) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {_REGISTERS}")
    return tuple(sorted((name, _whole(held, 0, 0xFFFF, _REGISTERS)) for name, held in value.items()))


def _factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("expected a number above 0")
    if not 0 < value < math.inf:
        raise ValueError("expected a number above 0")
    return float(value)


def _hex(low: int, high: int, expected: str) -> Callable[[object], bytes]:
    def parse(value: object) -> bytes:
        try:
            data = bytes.fromhex(value if isinstance(value, str) else "")
        except ValueError:
            data = b""
        if not low <= len(data) <= high:
            raise ValueError(f"expected {expected}")
        return data

    return parse


_PARSERS: dict[str, Callable[[object], Any]] = {
    "qpi": _boolean,
    "continuous_read": _boolean,
    "four_byte": _boolean,
    "deep_power_down": _boolean,
    "busy_ms": lambda value: _whole(value, 0, 86_400_000, "a whole number of milliseconds"),
    "quad_enable": _boolean,
    "quad_enable_stuck": _boolean,
    "extra_dummies": lambda value: _whole(value, -31, 31, "a whole number of clocks, -31 to 31"),
    "unknown_opcodes": lambda value: _numbers(value, 0xFF, _OPCODES),
    "wraps_at": _wraps_at,
    "registers": _registers,
    "stuck": _stuck,
    "erase_fails": lambda value: _numbers(value, (1 << 32) - 1, _ADDRESSES),
    "erase_time_factor": _factor,
    "jedec_id": _hex(3, _MAX_ID, f'3 to {_MAX_ID} bytes in hexadecimal, like "EF 40 18"'),
    "unique_id": _hex(1, 16, '1 to 16 bytes in hexadecimal, like "D1 66 0C 71"'),
}
OPTION_NAMES = tuple(_PARSERS)
