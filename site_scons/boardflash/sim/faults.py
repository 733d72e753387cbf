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
from boardflash.sim.jlink_wire import LinkFaults
from boardflash.sim.nor.options import ChipOptions
from boardflash.sim.twin import Twin

WIRE = tuple(f.name for f in fields(LinkFaults))
CHIP = tuple(f.name for f in fields(ChipOptions))
TWIN = ("busy_stays", "chip", "flash_kib", "hse_hz", "revision", "start", "supply_mv")
TABLES = ("option_bytes", "wiring")


@dataclass(frozen=True)
class Faulty:
    """What is left of a sound board and a sound wire."""

    twin: Twin
    wire: LinkFaults


def with_faults(twin: Twin, faults: Mapping[str, str]) -> Faulty:
    """The twin and the wire with these faults."""
    changes: dict[str, Any] = {
        "chip_options": dict(twin.chip_options),
        **{table: dict(getattr(twin, table)) for table in TABLES},
    }
    wire: dict[str, int] = {}
    for name, text in faults.items():
        value = _value(text)
        table, dot, key = name.partition(".")
        if name in WIRE:
            if not text.isdecimal():
                raise BoardflashError("expected the number of a call", where=f"--fault {name}={text}")
            wire[name] = int(text)
        elif name in CHIP:
            changes["chip_options"][name] = value
        elif name in TWIN:
            changes[name] = value
        elif dot and table in TABLES:
            changes[table][key] = value
            if table == "wiring" and not text:  # a broken trace
                del changes[table][key]
        else:
            known = [*WIRE, *CHIP, *TWIN, *(f"{table}.NAME" for table in TABLES)]
            raise BoardflashError(f"no such fault; there are {', '.join(known)}", where=f"--fault {name}")
    return Faulty(replace(twin, **changes), LinkFaults(**wire))


def _value(text: str) -> Any:
    if not text:
        return True
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text  # a name needs no quotes here
