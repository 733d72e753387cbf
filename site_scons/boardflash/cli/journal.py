"""`boardflash journal`: what interrupted runs owe to devices, and what to do where nothing proves it."""

from __future__ import annotations

import argparse
from pathlib import Path

from boardflash.cli.output import REPORT_SCHEMA, tell, write_json
from boardflash.errors import BoardflashError


def run(arguments: argparse.Namespace) -> int:
    from boardflash.program.journal import Owed, owed
    from boardflash.state import state_dir

    def chosen(path: Path) -> Owed:
        for entry in owed(state_dir()):
            if entry.path.resolve() == path.resolve():
                return entry
        raise BoardflashError(
            "no entry of the preserve journal; `boardflash journal` lists them", where=str(path)
        )

    def told(entry: Owed) -> str:
        if entry.unreadable:
            return f"{entry.path}: device {entry.unique_id}, {entry.region}: {entry.unreadable}"
        first, last = entry.items[0].address, entry.items[-1].end - 1
        size = sum(len(item.data) for item in entry.items)
        return (
            f"{entry.path}: device {entry.unique_id}, {entry.region}: {size:,} bytes in"
            f" {first:#010x}..{last:#010x}, read: {', '.join(entry.read_by)}"
        )

    if arguments.restore is not None:
        entry = chosen(arguments.restore)
        entry.journal.decide(entry.unit)
        tell(f"{arguments.restore}: the next flash of this device writes these bytes back")
    elif arguments.forget is not None:
        entry = chosen(arguments.forget)
        if entry.unreadable:
            tell(f"{arguments.forget}: set aside as {entry.journal.set_aside(entry.unit)}")
        else:
            entry.journal.forget(entry.unit)
            tell(f"{arguments.forget}: forgotten; the device keeps what it holds")
    elif arguments.json is None:
        for entry in owed(state_dir()):
            tell(told(entry))
        return 0
    if arguments.json is not None:
        entries = [
            {
                "file": str(entry.path),
                "unique_id": entry.unique_id,
                "region": entry.region,
                "unit": entry.unit,
                "bytes": sum(len(item.data) for item in entry.items),
                "read_by": list(entry.read_by),
                **({"unreadable": entry.unreadable} if entry.unreadable else {}),
            }
            for entry in owed(state_dir())
        ]
        write_json(
            arguments.json, {"schema": REPORT_SCHEMA, "verb": "journal", "entries": entries, "exit_code": 0}
        )
    return 0
