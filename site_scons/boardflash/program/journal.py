"""The preserve journal: bytes that are not ours, on disk before their erase unit is erased.

One file for each erase unit, by the device's unique ID and the region's chip, in the per-user state
folder. It is removed only when the unit has been written again and verified; what an interrupted
run leaves behind is taken up by the next one, whatever image that one flashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError

SCHEMA = 1


@dataclass(frozen=True)
class Preserved:
    """Bytes outside the image at an absolute address."""

    address: int
    data: bytes


class Journal:
    """The journal of one region on one device. `key` names the chip (JEDEC ID) or the die."""

    def __init__(self, state_dir: Path, unique_id: str, region: str, key: str) -> None:
        self.folder = state_dir / "journal" / unique_id / f"{region}-{key}"

    def keep(self, unit_address: int, preserved: tuple[Preserved, ...]) -> None:
        """Write and fsync the entry of one erase unit. Must return before the unit is erased."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(unit_address)
        if path.exists():
            # What an earlier run still owes here is not among the new bytes: it must not be lost.
            preserved = (*_read_entry(path), *preserved)
        body = {
            "schema": SCHEMA,
            "unit": unit_address,
            "bytes": [
                {
                    "address": item.address,
                    "data": base64.b64encode(item.data).decode("ascii"),
                    "blake2s": hashlib.blake2s(item.data, digest_size=16).hexdigest(),
                }
                for item in preserved
            ],
        }
        temporary = path.with_suffix(".new")
        with temporary.open("w", encoding="ascii") as file:
            json.dump(body, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(self.folder)

    def pending(self) -> tuple[Preserved, ...]:
        """What interrupted runs left to restore, in address order."""
        found: list[Preserved] = []
        if not self.folder.is_dir():
            return ()
        for path in sorted(self.folder.glob("*.json")):
            found.extend(_read_entry(path))
        return tuple(sorted(found, key=lambda item: item.address))

    def units(self) -> tuple[int, ...]:
        """The erase units that have an entry."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(int(path.stem, 16) for path in self.folder.glob("*.json")))

    def forget_within(self, address: int, size: int) -> None:
        """This stretch is written and verified: the entries that lie wholly inside it go."""
        for unit in self.units():
            items = _read_entry(self._path(unit))
            if all(
                address <= item.address and item.address + len(item.data) <= address + size for item in items
            ):
                self._path(unit).unlink(missing_ok=True)

    def forget_all(self) -> None:
        """All that was owed is on the device and verified."""
        for unit in self.units():
            self._path(unit).unlink(missing_ok=True)

    def _path(self, unit_address: int) -> Path:
        return self.folder / f"{unit_address:08x}.json"


def _read_entry(path: Path) -> list[Preserved]:
    try:
        body = json.loads(path.read_text(encoding="ascii"))
        if body["schema"] != SCHEMA:
            raise ValueError(f"schema {body['schema']}")
        found = []
        for item in body["bytes"]:
            data = base64.b64decode(item["data"], validate=True)
            if hashlib.blake2s(data, digest_size=16).hexdigest() != item["blake2s"]:
                raise ValueError("digest mismatch")
            found.append(Preserved(int(item["address"]), data))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BoardflashError(
            f"this entry of the preserve journal can't be read ({error}); it holds bytes of your device that"
            " an interrupted run meant to restore: move the file away to go on without them",
            where=str(path),
        ) from error
    return found


def _sync_folder(folder: Path) -> None:
    """Make the rename durable; Windows has no folder handles to sync and does not need it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
