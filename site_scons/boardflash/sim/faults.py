"""Faults of a simulated board by name: `unplug_at_call=40`, `qpi`, `chip=W25Q128JV-IQ`, `wiring.PE2=io3`.

Those of the wire are the fields of `LinkFaults`, those of the chip the fields of `ChipOptions`; any other
is a value of the twin. Values are written as in TOML; a name alone means true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import tomli

from boardflash.errors import BoardflashError
from boardflash.sim.jlink_wire import CALL_COSTS, LinkCosts, LinkFaults
from boardflash.sim.nor.options import OPTION_NAMES, check_option, parse_option
from boardflash.sim.nor.part import load_part
from boardflash.sim.twin import Twin, check_option_register, check_value, check_wire

WIRE = tuple(f.name for f in fields(LinkFaults))
TWIN = (
    *("busy_stays", "chip", "flash_kib", "hse_hz", "hsi_ppm", "late_abort", "lsi_hz", "register_cycles"),
    *("revision", "start", "supply_mv"),
)
TABLES = {"option_bytes": check_option_register, "wiring": check_wire}
TEXTS = ("busy_stays", "chip", "jedec_id", "start", "unique_id")  # no numbers, whatever they look like


@dataclass(frozen=True)
class Faulty:
    """What is left of a sound board and a sound wire."""

    twin: Twin
    wire: LinkFaults
    costs: LinkCosts


def with_faults(twin: Twin, faults: Mapping[str, str]) -> Faulty:
    """The twin and the wire with these faults. Raises BoardflashError where one is not what there is."""
    tables = {table: dict(getattr(twin, table)) for table in TABLES}
    chip: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    wire: dict[str, int] = {}
    costs = CALL_COSTS["real"]
    for name, text in faults.items():
        try:
            value = _value(name, text)
            table, dot, key = name.partition(".")
            if name in WIRE:
                wire[name] = _call(name, text)
            elif name == "calls":
                costs = _costs(text)
            elif name in OPTION_NAMES:
                parse_option(name, value)
                chip[name] = value
            elif name in TWIN:
                check_value(name, value)
                changes[name] = value
            elif dot and table in TABLES:
                _set_entry(tables[table], table, key, value, text)
            else:
                raise BoardflashError(f"no such fault; there are {_known()}", where=f"--fault {name}")
        except ValueError as error:
            raise BoardflashError(str(error), where=_where(name, text)) from None
    changes.update(tables)
    part = load_part(changes.get("chip", twin.chip))
    for name, value in chip.items():
        try:
            check_option(part, name, parse_option(name, value))
        except ValueError as error:
            raise BoardflashError(str(error), where=_where(name, faults[name])) from None
    faulty = replace(twin, **changes, chip_options={**twin.chip_options, **chip}, chip_faults=chip)
    return Faulty(faulty, LinkFaults(**wire), costs)


def _known() -> str:
    return ", ".join([*WIRE, "calls", *OPTION_NAMES, *TWIN, *(f"{table}.NAME" for table in TABLES)])


def _where(name: str, text: str) -> str:
    return f"--fault {name}={text}" if text else f"--fault {name}"


def _call(name: str, text: str) -> int:
    if not text.isdecimal():
        kind = "a time in milliseconds" if name.endswith("_ms") else "the number of a call"
        raise ValueError(f"expected {kind}")
    return int(text)


def _costs(text: str) -> LinkCosts:
    if text not in CALL_COSTS:
        raise ValueError(f"there are {', '.join(CALL_COSTS)}")
    return CALL_COSTS[text]


def _set_entry(entries: dict[str, Any], table: str, key: str, value: Any, text: str) -> None:
    """Solder a wire or program an option register; `wiring.PE2=` is a broken trace."""
    if table == "wiring" and not text:
        if key not in entries:
            raise ValueError(f"no wire at {key}; there are wires at {', '.join(entries)}")
        del entries[key]
        return
    TABLES[table](key, value)
    entries[key] = value


def _value(name: str, text: str) -> Any:
    if not text:
        return True
    if name in TEXTS or name.startswith("wiring."):
        return text.strip('"')
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text  # refused by whoever takes no text
