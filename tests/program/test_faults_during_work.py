"""What goes wrong on the device while it works: named with place, operation, registers and limit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.jlink import Link
from boardflash.program.run import flash
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "bench" / "state"))
    yield Rig(tmp_path / "bench")


def images(seed: int) -> dict[int, bytes]:
    data = random.Random(seed)
    return {INTERNAL: VECTORS + data.randbytes(1000), QSPI: data.randbytes(9 * KIB)}


class AtPhase:
    """Does something to the device when a phase begins, as a fault would; keeps the notes."""

    def __init__(self, phase: str, action: Callable[[], None]) -> None:
        self._phase = phase
        self._action = action
        self.notes: list[str] = []

    def phase(self, name: str, total: int) -> None:
        if name == self._phase:
            self._action()

    def advance(self, amount: int) -> None:
        return None

    def note(self, line: str) -> None:
        self.notes.append(line)


def board_behind(link: Link) -> Any:
    """The simulated board itself: what no program on the host could reach."""
    return link._dll.JLINKARM_Halt._probe.wire.target


def failing(rig: Rig, phase: str, action: Callable[[Link], None]) -> BoardflashError:
    plan = rig.plan(images(2))
    with rig.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link, None, AtPhase(phase, lambda: action(link)))
    return caught.value


def made_good(rig: Rig) -> None:
    rig.faults = {}
    rig.flash(images(2))
    assert rig.memory("internal")[:1016] == images(2)[INTERNAL]
    assert rig.memory("qspi")[: 9 * KIB] == images(2)[QSPI]


def test_an_erase_beyond_the_datasheet_maximum_is_named_with_it(rig: Rig) -> None:
    rig.flash(images(1))
    rig.faults = {"erase_time_factor": "20.0"}
    with pytest.raises(BoardflashError) as caught:
        rig.flash(images(2))
    assert caught.value.code == ExitCode.DEVICE_FAILED
    assert caught.value.where == "stm32f746g-disco: qspi 0x90000000"
    assert caught.value.message.startswith(
        "erase of 4096 bytes failed: still busy after the datasheet's maximum"
        " (limit 800 ms on n25q128a13); SR1 0x3, "
    )
    made_good(rig)


def test_the_other_region_is_left_consistent(rig: Rig) -> None:
    """QSPI fails: internal flash stays without its vectors, all else of it may be there."""
    rig.flash(images(1))
    rig.faults = {"erase_fails": "[4096]"}
    with pytest.raises(BoardflashError):
        rig.flash(images(2))
    assert rig.memory("internal")[:8] == b"\xff" * 8
    made_good(rig)


def test_a_block_protected_while_at_work_is_named(rig: Rig) -> None:
    rig.flash(images(1))

    def protect(link: Link) -> None:
        board_behind(link).chip.sr |= 0x5C  # BP3 to BP0: all of it

    class AtWork(AtPhase):
        """Protection is lifted before the first change: this comes behind it."""

        def advance(self, amount: int) -> None:
            self._action()

    plan = rig.plan(images(2))
    with rig.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link, None, AtWork("", lambda: protect(link)))
    error = caught.value
    assert error.code == ExitCode.DEVICE_FAILED
    assert error.where.startswith("stm32f746g-disco: qspi 0x9000")
    assert "failed: write protection stands in the way (limit " in error.message
    assert "SR1 0x5" in error.message
    made_good(rig)


def test_a_fault_of_the_loader_is_told_with_cause_and_place(rig: Rig) -> None:
    rig.flash(images(1))
    error = failing(rig, "program", lambda link: link.write_memory(rig_code(rig), b"\x00\xde" * 1024))
    assert error.code == ExitCode.DEVICE_FAILED
    assert error.where == "target loader"
    assert "undefined instruction" in error.message and "pc 0x2" in error.message
    made_good(rig)


def rig_code(rig: Rig) -> int:
    """Where the loader's program lies, behind its vectors."""
    from boardflash.loader.artefact import load_artefact

    plan = rig.plan(images(2))
    artefact = load_artefact(plan.loader_path)
    return artefact.load_address + 512


@pytest.mark.parametrize("fault", ["short_read", "short_write"])
def test_one_transfer_that_fails_is_repeated_and_noted(rig: Rig, fault: str) -> None:
    rig.flash(images(1))
    plan = rig.plan(images(2))
    for number in (5, 14):
        rig.flash(images(1))
        rig.faults = {fault: str(number)}
        told = AtPhase("", lambda: None)
        with rig.link() as link:
            flash(rig.plan(images(2)), link, None, told)
        rig.faults = {}
        assert rig.memory("qspi")[: 9 * KIB] == images(2)[QSPI]
        assert rig.memory("internal")[:1016] == images(2)[INTERNAL]
        repeated = [line for line in told.notes if "stopped after" in line]
        assert len(repeated) == 1, (fault, number, told.notes)
        assert repeated[0].endswith(("; read again", "; written again", "; all of it has arrived"))
    assert plan.board.name == "stm32f746g-disco"


def test_a_stuck_bit_is_found_by_the_digest_and_keeps_the_boot_unit_unwritten(rig: Rig) -> None:
    rig.flash(images(1))
    rig.faults = {"stuck": "[{ address = 4100, bit = 0, value = 0 }, { address = 4101, bit = 1, value = 0 }]"}
    content = images(2)
    content[QSPI] = content[QSPI][:4100] + b"\xff\xff" + content[QSPI][4102:]
    with pytest.raises(BoardflashError) as caught:
        rig.flash(content)
    assert caught.value.code == ExitCode.VERIFY_FAILED
    assert caught.value.where == "stm32f746g-disco: qspi 0x90001004"
    assert rig.memory("internal")[:8] == b"\xff" * 8
