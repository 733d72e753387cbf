"""A run that is cut off anywhere is made good by the next one, and never boots half-written.

Cable, power and process are cut at the Nth call of the J-Link library, and Ctrl-C is pressed there: in the
small scene for Ctrl-C at every N that a run has, elsewhere at a sample (BOARDFLASH_EVERY_CALL=1: at every N).
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.interrupt import deferred_interrupt
from boardflash.program.journal import Journal
from cuts import (
    INTERNAL,
    QSPI,
    Course,
    Images,
    Scene,
    attempt,
    boots_amiss,
    cut_off,
    firmware,
    make_good,
    noise,
    sample,
    state_digest,
)
from forks import CABLE, KILL, POWER, Outcome, cut_at
from rig import VECTORS, Rig

KIB = 1024
SETTINGS = b"calibration of this very device"


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "unused"))


def small(folder: Path) -> Scene:
    """One sector and two units, both with neighbours; the QSPI image grows into a page that has some."""
    return Scene(
        folder,
        before={INTERNAL: firmware(2000, 1), QSPI: noise(6 * KIB, 1)},
        after={INTERNAL: firmware(2048, 2), QSPI: noise(6 * KIB + 100, 2)},
        own={
            ("internal", 3000): SETTINGS,
            ("qspi", 7000): SETTINGS,
            ("qspi", 6 * KIB + 110): SETTINGS,
        },
    )


def large(folder: Path) -> Scene:
    """Two sectors of internal flash; two 64 KiB erases and several of 4 KiB in QSPI."""
    return Scene(
        folder,
        before={INTERNAL: firmware(40_000, 1), QSPI: noise(150 * KIB, 1)},
        after={INTERNAL: firmware(40_000, 2), QSPI: noise(150 * KIB + 30, 2)},
        own={("internal", 60_000): SETTINGS, ("qspi", 151 * KIB): SETTINGS},
    )


@pytest.fixture(scope="module")
def small_scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Course]:
    """Made once: its tests share what the next run made of a state."""
    scene = small(tmp_path_factory.mktemp("small"))
    return scene, scene.prepare()


@pytest.fixture(scope="module")
def large_scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Course]:
    scene = large(tmp_path_factory.mktemp("large"))
    return scene, scene.prepare()


def wrong_of(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.wrong for outcome in outcomes if outcome.wrong]


# Every call


@pytest.mark.parametrize("cut", [CABLE, POWER, KILL])
def test_a_cut_at_any_call_loses_nothing(small_scene: tuple[Scene, Course], cut: str) -> None:
    """Erase and program that are under way when the power goes leave their cells between old and new. What
    leaves the device powered is sampled: there it goes on to the end of what it has."""
    scene, course = small_scene
    calls = sample(range(1, course.calls + 1), 50 if cut == POWER else 24)
    outcomes = cut_at(scene, course, cut, calls)
    assert wrong_of(outcomes) == []
    assert [outcome.call for outcome in outcomes] == calls
    unnoticed = [outcome.call for outcome in outcomes if outcome.code == ExitCode.OK]
    assert set(unnoticed).isdisjoint(course.owing)


LINES = {
    "interrupted",  # before the run holds Ctrl-C back, and when the probe is closed
    "interrupted; nothing on the device has been changed",
    "interrupted; the unit in work is finished, the next run goes on from here",
}


class HalfDoneError(Exception):
    """Ctrl-C has left units that are neither the old nor the new one."""


class Interrupted:
    """Looks at a device after Ctrl-C; notes each erase unit that is neither the old nor the new one."""

    def __init__(self, scene: Scene) -> None:
        self.folder = scene.folder / "half-done"
        self.folder.mkdir()
        state = scene.folder / "device" / "state" / "sim" / "746000001"
        self._old = {region: (state / f"{region}.bin").read_bytes() for region in ("internal", "qspi")}
        self._new = bytearray(self._old["qspi"])
        self._new[: len(scene.after[QSPI])] = scene.after[QSPI]

    def __call__(self, scene: Scene, rig: Rig) -> str:
        line = (rig.folder / "ended").read_text(encoding="utf-8")
        left = {region: bytes(rig.memory(region)) for region in self._old}
        if "nothing on the device has been changed" in line and left != self._old:
            return f"{line}; but it has"
        for at in range(0, 2**24, 4 * KIB):
            unit = slice(at, at + 4 * KIB)
            if left["qspi"][unit] not in (self._old["qspi"][unit], self._new[unit]):
                state = "half done" if left["qspi"][unit].strip(b"\xff") else "blank"
                told = f"Ctrl-C at call {rig.folder.name}: {line}; but the unit at {at:#x} is left {state}"
                (self.folder / f"{rig.folder.name}.txt").write_text(told, encoding="utf-8")
        return boots_amiss(scene, rig)

    def noted(self) -> list[str]:
        return sorted(path.read_text(encoding="utf-8") for path in self.folder.iterdir())


@pytest.fixture(scope="module")
def interrupted(small_scene: tuple[Scene, Course]) -> tuple[list[Outcome], list[str]]:
    """Ctrl-C at every call, and the units that it left half done."""
    scene, course = small_scene
    look = Interrupted(scene)
    return cut_at(scene, course, "control_c", range(1, course.calls + 1), look=look), look.noted()


def test_control_c_at_any_call_ends_with_its_line_and_loses_nothing(
    small_scene: tuple[Scene, Course], interrupted: tuple[list[Outcome], list[str]]
) -> None:
    """When all is done and only the board is to be started, Ctrl-C comes too late: the run has succeeded."""
    _, course = small_scene
    outcomes, _ = interrupted
    assert wrong_of(outcomes) == []
    assert [outcome.call for outcome in outcomes] == list(range(1, course.calls + 1))
    assert {outcome.ended for outcome in outcomes if outcome.code != ExitCode.OK} == LINES
    assert {outcome.code for outcome in outcomes if outcome.call < course.owing.stop} == {130}


def test_control_c_at_any_call_finishes_the_unit_in_work(
    interrupted: tuple[list[Outcome], list[str]],
) -> None:
    _, half_done = interrupted
    assert half_done == []


def test_control_c_finishes_a_large_unit_in_work(large_scene: tuple[Scene, Course]) -> None:
    """Its data crosses the link in several goes."""
    scene, course = large_scene
    look = Interrupted(scene)
    assert wrong_of(cut_at(scene, course, "control_c", sample(course.owing, 6), look=look)) == []
    if look.noted():
        raise HalfDoneError("\n".join(look.noted()))


def test_a_second_control_c_at_any_call_loses_nothing(small_scene: tuple[Scene, Course]) -> None:
    """It ends the run at once: as a killed one, but that the core is stopped."""
    scene, course = small_scene
    outcomes = cut_at(scene, course, "control_c_twice", sample(range(1, course.calls + 1), 12))
    assert wrong_of(outcomes) == []
    assert {outcome.code for outcome in outcomes} == {ExitCode.INTERRUPTED}


@pytest.mark.parametrize("cut", [CABLE, POWER, KILL])
def test_many_units_and_sectors_are_made_good(large_scene: tuple[Scene, Course], cut: str) -> None:
    scene, course = large_scene
    assert wrong_of(cut_at(scene, course, cut, sample(course.owing, 4))) == []


# That the method of these tests tells the truth


@pytest.mark.parametrize("cut", [CABLE, POWER, KILL])
def test_a_fork_at_a_call_leaves_what_a_run_up_to_it_leaves(
    small_scene: tuple[Scene, Course], cut: str
) -> None:
    """Byte by byte: the device and the journal after the cut, and after the next run; and what is told."""
    scene, course = small_scene
    calls = [course.owing.start // 2, *sample(course.owing, 4)]
    forked = cut_at(scene, course, cut, calls, each=True)
    replayed = []
    for call in calls:
        rig = scene.copy(f"replay-{cut}-{call}")
        ended = cut_off(rig, course.plan, {cut: str(call)})
        left = state_digest(rig)
        assert make_good(scene, rig, course.then) == ""
        replayed.append((call, "" if cut == KILL else ended, left, state_digest(rig)))
    assert [(o.call, o.ended, o.left, o.made) for o in forked] == replayed
    assert len({o.left for o in forked}) > 2
    assert wrong_of(forked) == []


def test_a_fork_whose_journal_is_lost_is_seen(small_scene: tuple[Scene, Course], tmp_path: Path) -> None:
    """These tests can fail: without the journal the settings of the device are gone."""
    scene, course = small_scene

    def lose_the_journal(_scene: Scene, rig: Rig) -> str:
        for path in (rig.folder / "state" / "journal").rglob("*.*"):
            path.unlink()
        return ""

    alone = Scene(tmp_path, scene.before, scene.after, scene.own)
    outcomes = cut_at(alone, alone.prepare(), POWER, sample(course.owing, 5), look=lose_the_journal)
    assert any("differs from" in wrong for wrong in wrong_of(outcomes))


# Other devices, other runs


def test_blank_units_that_share_a_page_with_settings_are_made_good(tmp_path: Path) -> None:
    """No erase is needed here, but a page program that loses its power spoils what shares the page."""
    scene = Scene(
        tmp_path,
        before={INTERNAL: firmware(2000, 1)},
        after={QSPI: noise(3 * 256 + 100, 2)},
        own={("qspi", 3 * 256 + 110): SETTINGS},
    )
    course = scene.prepare()
    assert wrong_of(cut_at(scene, course, POWER, sample(course.owing, 8))) == []


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_second_interruption_while_making_good_loses_nothing_either(
    small_scene: tuple[Scene, Course], part: int
) -> None:
    scene, course = small_scene
    call = course.owing[len(course.owing) * (2 * part + 1) // 6]
    again, its_course = scene.cut_once(course, POWER, call, f"cut-once-{call}")
    assert wrong_of(cut_at(again, its_course, POWER, sample(its_course.second_half, 8))) == []


def test_another_image_after_the_interruption_restores_the_same_bytes(tmp_path: Path) -> None:
    base = small(tmp_path)
    smaller: Images = {INTERNAL: firmware(900, 3), QSPI: noise(3000, 3)}
    scene = Scene(tmp_path, base.before, base.after, base.own, then=smaller)
    course = scene.prepare()
    assert wrong_of(cut_at(scene, course, POWER, sample(course.owing, 7))) == []


@pytest.mark.parametrize("guard", ["always", "never"])
def test_every_boot_guard_loses_nothing(tmp_path: Path, guard: str) -> None:
    """`never` may boot half-written: that is what it says; the bytes are made good all the same."""
    base = small(tmp_path)
    scene = Scene(tmp_path, base.before, base.after, base.own, board={"boot_guard": guard})
    course = scene.prepare()
    look = boots_amiss if guard == "always" else lambda scene, rig: ""
    assert wrong_of(cut_at(scene, course, POWER, sample(course.owing, 8), look=look)) == []


def test_bytes_changed_after_a_run_that_touched_nothing_are_not_overwritten(
    small_scene: tuple[Scene, Course], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was written, then the process died; the firmware ran on and stored newer settings."""
    scene, course = small_scene
    rig = scene.copy("later")
    begin = Journal.begin

    def dies(journal: Journal, unit_address: int) -> None:
        if unit_address == QSPI + 4 * KIB:
            raise BoardflashError("the process has died")
        begin(journal, unit_address)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "begin", dies)
        assert attempt(rig, course.plan, {}) == "the process has died"
    assert list((rig.folder / "state" / "journal").rglob("90001000.kept"))
    newer = SETTINGS.upper()
    rig.set_memory("qspi", 7000, newer)
    assert attempt(rig, course.then, {}) == ""
    assert rig.memory("qspi")[7000:][: len(newer)] == newer


def test_a_unit_left_full_of_garbage_is_made_good_down_to_its_blank_bytes(
    small_scene: tuple[Scene, Course],
) -> None:
    """A chip programs a unit to zeros before it erases it: cut off, even blank bytes read as anything."""
    scene, course = small_scene
    rig = scene.copy("garbage")
    assert attempt(rig, course.plan, {POWER: str(course.first("9*.json"))})
    begun = sorted(p.stem for p in (rig.folder / "state" / "journal").rglob("9*.json"))
    assert begun
    for stem in begun:
        rig.set_memory("qspi", int(stem, 16) - QSPI, noise(4 * KIB, 99))
    assert make_good(scene, rig, course.then) == ""


def test_bytes_owed_below_the_image_do_not_move_the_vector_table(tmp_path: Path) -> None:
    """An application behind its bootloader: what the journal owes lies in front of the vectors."""
    application = INTERNAL + 0x200
    scene = Scene(
        tmp_path,
        before={application: firmware(2000, 1)},
        after={application: firmware(2048, 2)},
        own={("internal", 0): SETTINGS},
    )
    course = scene.prepare()
    call = course.owing[len(course.owing) // 2]
    again, its_course = scene.cut_once(course, POWER, call, "owing")
    assert its_course.first("08000000.json") == 1

    def application_amiss(_scene: Scene, rig: Rig) -> str:
        left = bytes(rig.memory("internal")[0x200:][:2048])
        return "boots half-written" if left[:8] == VECTORS[:8] and left != firmware(2048, 2) else ""

    calls = sample(its_course.second_half, 8)
    assert wrong_of(cut_at(again, its_course, POWER, calls, look=application_amiss)) == []


def test_the_first_signal_is_held_back_the_second_is_not_and_then_all_is_as_before() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with deferred_interrupt() as interrupt:
        assert not interrupt()
        signal.raise_signal(signal.SIGTERM)
        assert interrupt()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in numbers] == before
