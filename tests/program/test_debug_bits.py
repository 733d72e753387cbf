"""DBGMCU_CR outlives every reset but that of the power (RM0385 chapter 40): firmware finds it as it was
before us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boardflash.errors import BoardflashError
from boardflash.loader.session import LoaderSession
from boardflash.program.run import FlashOptions
from cuts import shared_loader
from devices import INTERNAL, QSPI, Device, device, firmware, noise

DBGMCU_CR = 0xE0042004
CR_OFFSET = 4
DBG_SLEEP, DBG_STOP, DBG_STANDBY = 1, 2, 4
IMAGE = {INTERNAL: firmware(4000), QSPI: noise(5000)}


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Device]:
    with device(tmp_path) as found:
        yield found


def bits(found: Device) -> int:
    return int(found.sim.dbgmcu.read(4, 4))


@pytest.mark.parametrize("before", [0, DBG_STOP | DBG_STANDBY, DBG_SLEEP, DBG_SLEEP | DBG_STOP])
@pytest.mark.parametrize("reset_run", [True, False], ids=["run", "halted"])
def test_firmware_finds_the_debug_bits_as_they_were(board: Device, before: int, reset_run: bool) -> None:
    board.link.write_memory(DBGMCU_CR, before.to_bytes(4, "little"))
    board.flash(IMAGE, options=FlashOptions(reset_run=reset_run))
    assert bits(board) == before
    assert board.sim.halted() is not reset_run


def test_the_loader_has_them_while_it_sleeps(board: Device) -> None:
    """Else the test above would say nothing."""
    seen: list[int] = []
    put = board.sim.dbgmcu.put

    def noted(offset: int, value: int) -> None:
        put(offset, value)
        if offset == CR_OFFSET:  # the watchdogs' bits have a register of their own
            seen.append(value)

    board.sim.dbgmcu.put = noted
    board.flash(IMAGE)
    assert [value & DBG_SLEEP for value in seen] == [DBG_SLEEP, 0]


def test_they_are_given_back_when_the_run_fails(board: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BoardflashError("no")

    monkeypatch.setattr("boardflash.program.session.identify", fail)
    with pytest.raises(BoardflashError):
        board.flash(IMAGE)
    assert bits(board) == 0
    assert board.sim.halted()


def test_the_core_is_not_asleep_when_they_are_cleared(board: Device) -> None:
    """With DBG_SLEEP clear a sleeping core's clock stops, and the debug port reaches nothing behind it."""
    asleep: list[bool] = []
    put = board.sim.dbgmcu.put

    def noted(offset: int, value: int) -> None:
        if offset == CR_OFFSET and not value & DBG_SLEEP:
            asleep.append(board.sim.core.sleeping is not None)
        put(offset, value)

    board.sim.dbgmcu.put = noted
    board.flash(IMAGE)
    assert asleep == [False]


def test_a_second_start_of_the_loader_does_not_take_its_own_bit_for_what_was_there(board: Device) -> None:
    """Between the two, somebody else's loader was in RAM (docs/your-own-loader.md)."""
    session = LoaderSession(board.link, shared_loader(), debug_control=DBGMCU_CR)
    for _ in range(2):
        session.start(3300)
    assert bits(board) == DBG_SLEEP
    board.link.halt()
    session.restore_debug()
    assert bits(board) == 0
