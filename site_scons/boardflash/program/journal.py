"""The preserve journal: bytes that are not ours, on disk before their erase unit is erased.

One file for each erase unit, by the device's unique ID and the region's chip, in the per-user state
folder. `UNIT.kept` is written before anything is erased; `begin` makes it `UNIT.json` right before its
unit is touched. Only from then on the device is owed its bytes: a unit that was never touched still
holds them, perhaps newer ones. An entry goes when its unit has been written again and verified; what an
interrupted run leaves behind is taken up by the next one, whatever image that one flashes.

Blank stretches are entries too, by their size alone: an erase that is cut off leaves any bytes there.

Each item says how it was read. What was read through a single, unproved way may be wrong, and would then
be written over good bytes: it is kept, and somebody has to decide (`unproved`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.files import MIB, create_private, read_file
from boardflash.image.model import ERASED
from boardflash.state import private_folder

SCHEMA = 3
#: Entries of this schema do not say how they were read.
SCHEMA_WITHOUT_READER = 2
#: How an item was read: through the core's bus; on one line and in the read mode, which agreed; or what the
#: user has said of it.
BY_BUS, BY_ONE_LINE, BY_USER = "bus", "one line", "user"
NOT_KNOWN = "unproved"
#: An entry is of one erase unit; where the whole chip is erased at once, of all of it.
BLANK_MOST = 256 * MIB
ENTRY_MOST = 512 * MIB
_BLANK = bytes([ERASED])
_UNIT_NAME = re.compile(r"[0-9a-f]{8}")


def vendor_reader(sha256: str) -> str:
    """How an item was read that only this very file of a vendor could read."""
    return f"vendor loader {sha256}"


@dataclass(frozen=True)
class Preserved:
    """Bytes outside the image at an absolute address."""

    address: int
    data: bytes
    read_by: str = NOT_KNOWN

    @property
    def end(self) -> int:
        return self.address + len(self.data)

    @property
    def blank(self) -> bool:
        return not self.data.strip(_BLANK)


class Journal:
    """The journal of one region on one device. `key` names the chip (JEDEC ID) or the die."""

    def __init__(self, state_dir: Path, unique_id: str, region: str, key: str, reader: str = "") -> None:
        """`reader`: a vendor's loader that reads this region in place of ours. Its own entries are as good
        as what it reads today; to all others they are unproved."""
        self.folder = state_dir / "journal" / unique_id / f"{region}-{key}"
        self._reader = reader
        self._by_bus = region == "internal"

    def keep(self, unit_address: int, preserved: tuple[Preserved, ...]) -> None:
        """Write and fsync the entry of one erase unit; `begin` makes it count."""
        private_folder(self.folder)
        path = self.path(unit_address)
        if path.exists():
            # What an earlier run still owes here is not among the new bytes: it must not be lost.
            preserved = (*self._read(path), *preserved)
        _write_entry(path, unit_address, preserved).replace(path.with_suffix(".kept"))

    def begin(self, unit_address: int) -> None:
        """The unit is touched next: its entry, if it has one, is owed to the device from now on."""
        kept = self.path(unit_address).with_suffix(".kept")
        if kept.exists():
            kept.replace(self.path(unit_address))
            _sync_folder(self.folder)

    def drop_unbegun(self) -> None:
        """Entries of units that were never touched: the device itself still has those bytes."""
        for path in [*self.folder.glob("*.kept"), *self.folder.glob("*.new")]:
            path.unlink(missing_ok=True)

    def pending(self) -> tuple[Preserved, ...]:
        """What interrupted runs left to restore, in address order."""
        found = [item for unit in self.units() for item in self.entry(unit)]
        return tuple(sorted(found, key=lambda item: item.address))

    def entry(self, unit_address: int) -> tuple[Preserved, ...]:
        """What is owed in one erase unit."""
        path = self.path(unit_address)
        return tuple(self._read(path)) if path.exists() else ()

    def unproved(self) -> Iterator[tuple[int, Preserved]]:
        """(unit, item) of all that was read in a way which nothing had proved."""
        for unit in self.units():
            for item in self.entry(unit):
                if item.read_by not in (BY_BUS, BY_ONE_LINE, BY_USER, self._reader or BY_BUS):
                    yield unit, item

    def decide(self, unit_address: int) -> None:
        """The user says that the bytes of this entry are right."""
        path = self.path(unit_address)
        items = [replace(item, read_by=BY_USER) for item in self._read(path)]
        _write_entry(path, unit_address, items).replace(path)
        _sync_folder(self.folder)

    def forget(self, unit_address: int) -> None:
        """The entry is not wanted, or what it owes is on the device."""
        self._forget([unit_address])

    def units(self) -> tuple[int, ...]:
        """The erase units that have an entry."""
        if not self.folder.is_dir():
            return ()
        names = (path.stem for path in self.folder.glob("*.json"))
        return tuple(sorted(int(name, 16) for name in names if _UNIT_NAME.fullmatch(name)))

    def set_aside(self, unit_address: int) -> Path:
        """Where the entry is now: nothing reads it any more, and nothing of it is lost."""
        path = self.path(unit_address)
        aside = path.with_suffix(".aside")
        path.replace(aside)
        _sync_folder(self.folder)
        return aside

    def outside(self, base: int, size: int) -> tuple[int, ...]:
        """Units with bytes that this region does not have: an entry of another chip, or a harmed one."""
        return tuple(
            unit
            for unit in self.units()
            if any(item.address < base or item.end > base + size for item in self.entry(unit))
        )

    def forget_within(self, address: int, size: int) -> None:
        """This stretch is written and verified: the entries that lie wholly inside it go."""
        self._forget(
            unit
            for unit in self.units()
            if all(address <= item.address and item.end <= address + size for item in self.entry(unit))
        )

    def forget_all(self) -> None:
        """All that was owed is on the device and verified."""
        self._forget(self.units())
        self.drop_unbegun()

    def _forget(self, units: Iterable[int]) -> None:
        """Durably: an entry that came back would put old bytes over what the firmware has written since."""
        paths = [self.path(unit) for unit in units]
        for path in paths:
            path.unlink(missing_ok=True)
        if paths:
            _sync_folder(self.folder)

    def path(self, unit_address: int) -> Path:
        """The file of an entry that is owed."""
        return self.folder / f"{unit_address:08x}.json"

    def _read(self, path: Path) -> list[Preserved]:
        items = _read_entry(path)
        if not self._by_bus:
            return items
        # The core reads its internal flash without any setting that could be wrong: older entries, too.
        return [replace(item, read_by=BY_BUS) if item.read_by == NOT_KNOWN else item for item in items]


@dataclass(frozen=True)
class Owed:
    """One entry of any device's journal."""

    journal: Journal
    unique_id: str
    region: str
    unit: int
    items: tuple[Preserved, ...]
    unreadable: str = ""  # why it could not be read

    @property
    def path(self) -> Path:
        return self.journal.path(self.unit)

    @property
    def read_by(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.read_by for item in self.items))


def owed(state_dir: Path) -> Iterator[Owed]:
    """All that interrupted runs owe to devices, by device and address."""
    for folder in sorted((state_dir / "journal").glob("*/*")):
        region, _, key = folder.name.partition("-")
        journal = Journal(state_dir, folder.parent.name, region, key)
        for unit in journal.units():
            try:
                yield Owed(journal, folder.parent.name, region, unit, journal.entry(unit))
            except BoardflashError as error:
                yield Owed(journal, folder.parent.name, region, unit, (), error.message)


def _write_entry(path: Path, unit_address: int, items: Iterable[Preserved]) -> Path:
    """The entry's bytes, on disk beside its place."""
    body = {"schema": SCHEMA, "unit": unit_address, "bytes": [_entry_of(item) for item in items]}
    temporary = path.with_suffix(".new")
    try:
        create_private(temporary, json.dumps(body, sort_keys=True).encode("ascii"))
    except OSError as error:
        told = f"the preserve journal can't be written: {error.strerror}; nothing of this unit was changed"
        raise BoardflashError(told, where=str(temporary)) from error
    return temporary


def _entry_of(item: Preserved) -> dict[str, object]:
    if item.blank:
        return {"address": item.address, "blank": len(item.data), "read": item.read_by}
    return {
        "address": item.address,
        "read": item.read_by,
        "data": base64.b64encode(item.data).decode("ascii"),
        "blake2s": hashlib.blake2s(item.data, digest_size=16).hexdigest(),
    }


def _read_entry(path: Path) -> list[Preserved]:
    try:
        body = json.loads(read_file(path, ENTRY_MOST))
        if body["schema"] not in (SCHEMA_WITHOUT_READER, SCHEMA):
            raise ValueError("its schema is not known")
        return [_item_of(item, proved=body["schema"] == SCHEMA) for item in body["bytes"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BoardflashError) as error:
        told = " ".join(str(error).split())[:80]
        raise BoardflashError(
            f"this entry of the preserve journal can't be read ({told}); it holds bytes of your device that"
            " an interrupted run meant to restore: `boardflash journal --forget FILE` sets it aside",
            where=str(path),
        ) from error


def _item_of(item: Mapping[str, object], *, proved: bool) -> Preserved:
    """One item of an entry, every key looked at. Raises ValueError, KeyError or TypeError."""
    address = _number(item["address"], "address")
    read_by = item["read"] if proved else NOT_KNOWN
    if not isinstance(read_by, str) or not read_by.isprintable():
        raise ValueError("`read` is no text")
    if "blank" in item:
        size = _number(item["blank"], "blank")
        if size > BLANK_MOST:
            raise ValueError(f"{size} blank bytes")
        return Preserved(address, _BLANK * size, read_by)
    data = base64.b64decode(str(item["data"]), validate=True)
    if hashlib.blake2s(data, digest_size=16).hexdigest() != item["blake2s"]:
        raise ValueError("digest mismatch")
    return Preserved(address, data, read_by)


def _number(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFF_FFFF:
        raise ValueError(f"`{key}` is no number of 32 bits")
    return value


def _sync_folder(folder: Path) -> None:
    """Make the rename durable; Windows has no folder handles to sync and does not need it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
