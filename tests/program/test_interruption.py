"""A run that is cut off anywhere is made good by the next one, and never boots half-written.

Cable, power and process are cut at the Nth call of the J-Link library. With BOARDFLASH_EVERY_CALL=1 N is
every call that a run makes; otherwise every call stands in for its neighbours by a stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cuts import INTERNAL, QSPI, Case, Scene, attempt, every, failures, firmware, noise
from rig import Rig

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


def cut(scene: Scene, names: Sequence[str], stride: int, first: int = 1) -> None:
    plan, then, calls = scene.prepare()
    assert calls > 60
    cases = [Case(({name: str(n)},)) for name in names for n in every(calls, stride, first)]
    assert failures(scene, plan, then, cases) == []


def test_a_cut_cable_loses_nothing(tmp_path: Path) -> None:
    cut(small(tmp_path), ["unplug_at_call"], 12)


def test_a_power_cut_loses_nothing(tmp_path: Path) -> None:
    """Erase and program that are under way leave their cells between old and new."""
    cut(small(tmp_path), ["power_cut_at_call"], 10, 5)


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    cut(small(tmp_path), ["kill_at_call"], 16, 40)


def test_many_units_and_sectors_are_made_good(tmp_path: Path) -> None:
    cut(large(tmp_path), ["power_cut_at_call", "unplug_at_call"], 80, 70)


def test_blank_units_that_share_a_page_with_settings_are_made_good(tmp_path: Path) -> None:
    """No erase is needed here, but a page program that loses its power spoils what shares the page."""
    scene = Scene(
        tmp_path,
        before={INTERNAL: firmware(2000, 1)},
        after={QSPI: noise(3 * 256 + 100, 2)},
        own={("qspi", 3 * 256 + 110): SETTINGS},
    )
    plan, then, calls = scene.prepare()
    cases = [Case(({"power_cut_at_call": str(n)},)) for n in every(calls, 6, 60)]
    assert failures(scene, plan, then, cases) == []


def test_a_second_interruption_while_making_good_loses_nothing_either(tmp_path: Path) -> None:
    scene = small(tmp_path)
    plan, then, calls = scene.prepare()
    cases = [
        Case(({"power_cut_at_call": str(n)}, {"power_cut_at_call": str(m)}))
        for n, m in [(96, 70), (110, 90), (110, 115), (125, 100), (140, 95)]
        if n < calls
    ]
    assert len(cases) == 5
    assert failures(scene, plan, then, cases) == []


def test_another_image_after_the_interruption_restores_the_same_bytes(tmp_path: Path) -> None:
    base = small(tmp_path)
    smaller = {INTERNAL: firmware(900, 3), QSPI: noise(3000, 3)}
    scene = Scene(tmp_path, base.before, base.after, base.own, then=smaller)
    plan, then, calls = scene.prepare()
    cases = [Case(({"power_cut_at_call": str(n)},)) for n in every(calls, 16, 84)]
    assert failures(scene, plan, then, cases) == []


@pytest.mark.parametrize("guard", ["always", "never"])
def test_every_boot_guard_loses_nothing(tmp_path: Path, guard: str) -> None:
    """`never` may boot half-written: that is what it says; the bytes are made good all the same."""
    base = small(tmp_path)
    scene = Scene(tmp_path, base.before, base.after, base.own, board={"boot_guard": guard})
    plan, then, calls = scene.prepare()
    cases = [Case(({"power_cut_at_call": str(n)},)) for n in every(calls, 24, 90)]
    wrong = failures(scene, plan, then, cases)
    assert [line for line in wrong if guard == "always" or "boots" not in line] == []


def test_bytes_changed_after_a_run_that_touched_nothing_are_not_overwritten(tmp_path: Path) -> None:
    """The journal was written, then the process died; the firmware ran on and stored newer settings."""
    scene = small(tmp_path)
    plan, then, calls = scene.prepare()
    rig = scene.copy("later")
    for call in range(76, calls):
        rig.faults = {"unplug_at_call": str(call)}
        attempt(rig, plan, rig.faults)
        if list((rig.folder / "state" / "journal").rglob("90001000.kept")):
            break
    else:
        pytest.fail("no call between journal and erase")
    newer = SETTINGS.upper()
    rig.set_memory("qspi", 7000, newer)
    attempt(rig, then, {})
    assert rig.memory("qspi")[7000:][: len(newer)] == newer


def test_a_unit_left_full_of_garbage_is_made_good_down_to_its_blank_bytes(tmp_path: Path) -> None:
    """A chip programs a unit to zeros before it erases it: cut off, even blank bytes read as anything."""
    scene = small(tmp_path)
    plan, then, calls = scene.prepare()
    rig = scene.copy("garbage")
    for call in range(80, calls):
        attempt(rig, plan, {"power_cut_at_call": str(call)})
        begun = sorted(p.stem for p in (rig.folder / "state" / "journal").rglob("9*.json"))
        if begun:
            break
    assert begun
    for stem in begun:
        rig.set_memory("qspi", int(stem, 16) - QSPI, noise(4 * KIB, 99))
    attempt(rig, then, {})
    assert scene.wrong_with(rig, scene.after) == ""


def test_bytes_owed_below_the_image_do_not_move_the_vector_table(tmp_path: Path) -> None:
    """An application behind its bootloader: what the journal owes lies in front of the vectors."""
    application = INTERNAL + 0x200
    scene = Scene(
        tmp_path,
        before={application: firmware(2000, 1)},
        after={application: firmware(2048, 2)},
        own={("internal", 0): SETTINGS},
    )
    plan, then, calls = scene.prepare()
    cut_off: list[Rig] = []
    for first in range(60, calls, 9):
        rig = scene.copy(f"first-{first}")
        attempt(rig, plan, {"power_cut_at_call": str(first)})
        if list((rig.folder / "state" / "journal").rglob("08000000.json")):
            for second in range(calls - 45, calls, 4):
                again = Rig(rig.folder)
                attempt(again, then, {"power_cut_at_call": str(second)})
                left = bytes(again.memory("internal")[0x200:][:2048])
                assert left[:8] != firmware(2048, 2)[:8] or left == firmware(2048, 2), (first, second)
                cut_off.append(again)
            attempt(rig, then, {})
            assert scene.wrong_with(rig, scene.after) == ""
            break
    assert cut_off
