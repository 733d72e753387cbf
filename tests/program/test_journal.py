"""The preserve journal survives what an interruption leaves behind."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.program.journal import BY_BUS, BY_ONE_LINE, Journal, Preserved


def journal(tmp_path: Path, uid: str = "00112233") -> Journal:
    return Journal(tmp_path, uid, "qspi", "20ba18")


def owe(book: Journal, unit: int, items: tuple[Preserved, ...]) -> None:
    book.keep(unit, items)
    book.begin(unit)


def test_what_is_kept_is_pending_for_the_next_run(tmp_path: Path) -> None:
    owe(journal(tmp_path), 0x9000_0000, (Preserved(0x9000_0010, b"settings"),))
    owe(journal(tmp_path), 0x9001_0000, (Preserved(0x9001_0000, bytes(300)),))
    assert journal(tmp_path).pending() == (
        Preserved(0x9000_0010, b"settings"),
        Preserved(0x9001_0000, bytes(300)),
    )


def test_another_device_or_chip_has_a_journal_of_its_own(tmp_path: Path) -> None:
    owe(journal(tmp_path), 0x9000_0000, (Preserved(0x9000_0010, b"settings"),))
    assert journal(tmp_path, "44556677").pending() == ()
    assert Journal(tmp_path, "00112233", "qspi", "ef4018").pending() == ()


def test_a_second_entry_for_a_unit_does_not_lose_what_the_first_owes(tmp_path: Path) -> None:
    owe(journal(tmp_path), 0x9000_0000, (Preserved(0x9000_0010, b"old"),))
    owe(journal(tmp_path), 0x9000_0000, (Preserved(0x9000_0100, b"new"),))
    assert journal(tmp_path).pending() == (Preserved(0x9000_0010, b"old"), Preserved(0x9000_0100, b"new"))


def test_an_entry_goes_only_when_all_of_it_is_verified(tmp_path: Path) -> None:
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0010, b"a"), Preserved(0x9000_8000, b"b")))
    book.forget_within(0x9000_0000, 0x1000)
    assert book.units() == (0x9000_0000,)
    book.forget_within(0x9000_0000, 0x10000)
    assert book.units() == ()


def test_a_damaged_entry_stops_with_its_name_and_is_not_removed(tmp_path: Path) -> None:
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0010, b"settings"),))
    path = book.folder / "90000000.json"
    path.write_text(path.read_text().replace('"address": ', '"addr": '))
    with pytest.raises(BoardflashError) as caught:
        book.pending()
    assert caught.value.where == str(path)
    assert "`boardflash journal --forget FILE` sets it aside" in caught.value.message
    assert path.exists()


def test_changed_bytes_in_an_entry_are_noticed(tmp_path: Path) -> None:
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0010, b"settings"),))
    path = book.folder / "90000000.json"
    path.write_text(path.read_text().replace("c2V0dGluZ3M=", "c2V0dGluZ3Q="))
    with pytest.raises(BoardflashError, match="digest mismatch"):
        book.pending()


def test_a_unit_that_was_never_touched_is_owed_nothing(tmp_path: Path) -> None:
    """The firmware may have written newer bytes there since the run was cut off."""
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0010, b"owed"),))
    book.keep(0x9000_0000, (Preserved(0x9000_0100, b"more"),))
    book.keep(0x9000_1000, (Preserved(0x9000_1000, b"untouched"),))
    assert journal(tmp_path).pending() == (Preserved(0x9000_0010, b"owed"),)
    book.drop_unbegun()
    book.begin(0x9000_0000)
    book.begin(0x9000_1000)
    assert journal(tmp_path).pending() == (Preserved(0x9000_0010, b"owed"),)
    assert [path.name for path in book.folder.iterdir()] == ["90000000.json"]


def test_blank_stretches_are_owed_too_and_take_no_room(tmp_path: Path) -> None:
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0000, b"\xff" * 1_000_000),))
    assert book.pending() == (Preserved(0x9000_0000, b"\xff" * 1_000_000),)
    assert (book.folder / "90000000.json").stat().st_size < 200


def test_a_blank_stretch_remembers_how_it_was_read(tmp_path: Path) -> None:
    """Else the next run would ask the user about bytes that were proved."""
    proved = Preserved(0x9000_0000, b"\xff" * 300, BY_ONE_LINE)
    owe(journal(tmp_path), 0x9000_0000, (proved,))
    assert journal(tmp_path).pending() == (proved,)
    assert list(journal(tmp_path).unproved()) == []


def test_an_entry_to_the_last_byte_of_what_is_verified_goes(tmp_path: Path) -> None:
    book = journal(tmp_path)
    owe(book, 0x9000_0000, (Preserved(0x9000_0FF0, bytes(16)),))
    book.forget_within(0x9000_0000, 0x0FFF)
    assert book.units() == (0x9000_0000,)
    book.forget_within(0x9000_0000, 0x1000)
    assert book.units() == ()


def test_what_was_not_written_to_its_end_goes_with_what_was_never_owed(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.keep(0x9000_0000, (Preserved(0x9000_0010, b"kept"),))
    (book.folder / "90001000.new").write_text('{"schema": 3, "by')
    book.drop_unbegun()
    assert list(book.folder.iterdir()) == []


def test_older_entries_are_proved_where_the_core_reads_by_its_bus(tmp_path: Path) -> None:
    """They do not say how they were read; in internal flash there is but one way."""
    item = {"address": 0x0800_4000, "data": base64.b64encode(b"settings").decode("ascii")}
    item["blake2s"] = hashlib.blake2s(b"settings", digest_size=16).hexdigest()
    books = [Journal(tmp_path, "00112233", "internal", "449"), journal(tmp_path)]
    for book in books:
        book.folder.mkdir(parents=True)
        old = {"schema": 2, "unit": 0x0800_4000, "bytes": [item]}
        book.path(0x0800_4000).write_text(json.dumps(old), encoding="ascii")
    assert [list(book.unproved()) for book in books] == [
        [],
        [(0x0800_4000, Preserved(0x0800_4000, b"settings"))],
    ]
    assert books[0].pending() == (Preserved(0x0800_4000, b"settings", BY_BUS),)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no folder handles to sync")
def test_an_entry_and_its_name_are_durable_before_its_unit_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut of the computer must not take it back, nor bring it back when it is settled."""
    synced: list[tuple[str, list[str]]] = []
    sync = os.fsync
    book = journal(tmp_path)

    def noted(handle: int) -> None:
        what = os.fstat(handle)
        kind = "folder" if stat.S_ISDIR(what.st_mode) else "file" if what.st_size else "empty file"
        synced.append((kind, [path.name for path in book.folder.iterdir()]))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    book.keep(0x9000_0000, (Preserved(0x9000_0010, b"settings"),))
    assert synced == [("file", ["90000000.new"])]
    book.begin(0x9000_0000)
    assert synced[1:] == [("folder", ["90000000.json"])]
    book.decide(0x9000_0000)
    assert [kind for kind, _ in synced[2:]] == ["file", "folder"]
    book.forget(0x9000_0000)
    assert synced[4:] == [("folder", [])]
