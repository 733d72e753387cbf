"""The preserve journal: bytes that are not ours, on disk before their erase unit is erased.

One file for each erase unit, by the device's unique ID and the region's chip, in the per-user state
folder. `UNIT.kept` is written before anything is erased; `begin` makes it `UNIT.json` right before its
unit is touched. Only from then on the device is owed its bytes: a unit that was never touched still
holds them, perhaps newer ones. An entry goes when its unit has been written again and verified; what an
interrupted run leaves behind is taken up by the next one, whatever image that one flashes.

Blank stretches are entries too, by their size alone: an erase that is cut off leaves any bytes there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.model import ERASED

SCHEMA = 2
_BLANK = bytes([ERASED])


@dataclass(frozen=True)
class Preserved:
    """Bytes outside the image at an absolute address."""

    address: int
    data: bytes

    @property
    def blank(self) -> bool:
        return not self.data.strip(_BLANK)


class Journal:
    """The journal of one region on one device. `key` names the chip (JEDEC ID) or the die."""

    def __init__(self, state_dir: Path, unique_id: str, region: str, key: str) -> None:
        self.folder = state_dir / "journal" / unique_id / f"{region}-{key}"

    def keep(self, unit_address: int, preserved: tuple[Preserved, ...]) -> None:
        """Write and fsync the entry of one erase unit; `begin` makes it count."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(unit_address)
        if path.exists():
            # What an earlier run still owes here is not among the new bytes: it must not be lost.
            preserved = (*_read_entry(path), *preserved)
        body = {
            "schema": SCHEMA,
            "unit": unit_address,
            "bytes": [_entry_of(item) for item in preserved],
        }
        temporary = path.with_suffix(".new")
        with temporary.open("w", encoding="ascii") as file:
            json.dump(body, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path.with_suffix(".kept"))

    def begin(self, unit_address: int) -> None:
        """The unit is touched next: its entry, if it has one, is owed to the device from now on."""
        kept = self._path(unit_address).with_suffix(".kept")
        if kept.exists():
            kept.replace(self._path(unit_address))
            _sync_folder(self.folder)

    def drop_unbegun(self) -> None:
        """Entries of units that were never touched: the device itself still has those bytes."""
        for path in [*self.folder.glob("*.kept"), *self.folder.glob("*.new")]:
            path.unlink(missing_ok=True)

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
        self._forget(
            unit
            for unit in self.units()
            if all(
                address <= item.address and item.address + len(item.data) <= address + size
                for item in _read_entry(self._path(unit))
            )
        )

    def forget_all(self) -> None:
        """All that was owed is on the device and verified."""
        self._forget(self.units())
        self.drop_unbegun()

    def _forget(self, units: Iterable[int]) -> None:
        """Durably: an entry that came back would put old bytes over what the firmware has written since."""
        paths = [self._path(unit) for unit in units]
        for path in paths:
            path.unlink(missing_ok=True)
        if paths:
            _sync_folder(self.folder)

    def _path(self, unit_address: int) -> Path:
        return self.folder / f"{unit_address:08x}.json"


def _entry_of(item: Preserved) -> dict[str, object]:
    if item.blank:
        return {"address": item.address, "blank": len(item.data)}
    return {
        "address": item.address,
        "data": base64.b64encode(item.data).decode("ascii"),
        "blake2s": hashlib.blake2s(item.data, digest_size=16).hexdigest(),
    }


def _read_entry(path: Path) -> list[Preserved]:
    try:
        body = json.loads(path.read_text(encoding="ascii"))
        if body["schema"] != SCHEMA:
            raise ValueError(f"schema {body['schema']}")
        found = []
        for item in body["bytes"]:
            if "blank" in item:
                found.append(Preserved(int(item["address"]), _BLANK * int(item["blank"])))
                continue
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
