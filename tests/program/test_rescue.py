"""Bytes of the device that a run has lost, or that an earlier one owes: written back, or left to decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.loader.artefact import load_artefact
from boardflash.program.interrupt import Interrupt
from boardflash.program.journal import BY_ONE_LINE, Journal, Preserved
from boardflash.program.progress import Silent
from boardflash.program.rescue import settle_unproved, write_back
from boardflash.program.session import Session, open_session
from boardflash.program.work import Unit
from program.wrong_boards import KIB, QSPI, SIZE, SOUND, WIRING, Bench, device, noise

OWED = Preserved(QSPI + 0xC10, noise(300, 3), BY_ONE_LINE)
ERASED = Unit(QSPI, 4 * KIB, True, False, (), (), (), "")
BLANK = b"\xff" * SIZE


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "unused"))


@contextmanager
def opened(rig: Bench, owed: Preserved = OWED) -> Iterator[tuple[Session, Journal]]:
    """A device that is owed these bytes, as after a failure behind an erase."""
    plan = rig.plan({QSPI: b"\x5a"})
    with (
        rig.link() as link,
        open_session(
            plan.board, load_artefact(plan.loader_path), link, Silent(), Interrupt(), qspi=True
        ) as session,
    ):
        journal = session.found.journal(plan.board.region("qspi"))
        journal.keep(QSPI, (owed,))
        journal.begin(QSPI)
        yield session, journal


def test_bytes_are_written_back_to_a_chip_that_its_reset_has_protected_again(tmp_path: Path) -> None:
    rig = device(tmp_path, replace(SOUND, faults={"registers": "{ sr1 = 0x1C }"}), BLANK)
    with opened(rig) as (session, journal):
        write_back(session, session.board.region("qspi"), journal, ERASED)
        assert journal.units() == ()
    assert rig.memory("qspi")[0xC10:][:300] == OWED.data


def test_bytes_that_the_chip_does_not_take_stay_in_the_journal(tmp_path: Path) -> None:
    bit = next(n for n in range(8) if not OWED.data[200] >> n & 1)
    stuck = f"[{{ address = {0xC10 + 200}, bit = {bit}, value = 1 }}]"
    rig = device(tmp_path, replace(SOUND, faults={"stuck": stuck}), BLANK)
    with opened(rig) as (session, journal):
        with pytest.raises(BoardflashError, match="0x90000c10 does not read back on one line"):
            write_back(session, session.board.region("qspi"), journal, ERASED)
        assert journal.pending() == (OWED,)


def test_a_unit_that_was_not_erased_is_not_erased_to_write_back(tmp_path: Path) -> None:
    """The journal has the neighbours of a page only; what else lies in the unit would be lost."""
    content = noise(4 * KIB, 1) + BLANK[4 * KIB :]
    rig = device(tmp_path, SOUND, content)
    with opened(rig) as (session, journal):
        with pytest.raises(BoardflashError, match="bits would have to rise"):
            write_back(session, session.board.region("qspi"), journal, replace(ERASED, erase=False))
        assert journal.pending() == (OWED,)
    assert rig.memory("qspi") == content


def test_bytes_that_both_runs_read_wrongly_alike_are_not_taken_for_right(tmp_path: Path) -> None:
    """io2 is open: what an older version has kept looks the same to this one's read mode."""
    content = noise(4 * KIB, 1) + BLANK[4 * KIB :]
    rig = device(tmp_path, WIRING[-1], content)
    wrongly = Preserved(QSPI + 0xC00, bytes(byte | 0x44 for byte in content[0xC00:0xD00]))
    plan = rig.plan({QSPI: b"\x5a"})
    with opened(rig, wrongly) as (session, journal):
        with pytest.raises(BoardflashError, match=r"than on one line: .*fits io2 on another pin"):
            settle_unproved(session, plan, plan.region_image("qspi"), journal)
        assert [item for _, item in journal.unproved()] == [wrongly]
