"""A run by a vendor's loader that is cut off anywhere is made good by the next one."""

from __future__ import annotations

import os
import random
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.run import flash
from cuts import at_each_call, sample
from foreign.foreign_rig import INTERNAL, KIB, QSPI, ForeignRig, bench, board_text
from rig import VECTORS

SIZE = 10 * KIB + 100
CALIBRATION = b"calibration of this very device"
BEFORE = {INTERNAL: VECTORS + random.Random(1).randbytes(3000), QSPI: random.Random(2).randbytes(SIZE)}
AFTER = {INTERNAL: VECTORS + random.Random(3).randbytes(3000), QSPI: random.Random(4).randbytes(SIZE)}
KINDS = ["qspi FLM", "qspi stldr", "qspi stldr without chips", "internal FLM"]


@pytest.fixture(scope="module", params=KINDS)
def scene(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_flm: Path,
    tiny_stldr: Path,
    internal_flm: Path,
) -> tuple[ForeignRig, int]:
    """A device that holds BEFORE and bytes of its own, and the calls that a whole run to AFTER takes."""
    kind = request.param
    internal = "vendor/internal.FLM" if "internal" in kind else ""
    qspi = "" if internal else "vendor/tiny.stldr" if "stldr" in kind else "vendor/tiny.FLM"
    text = board_text(qspi, chips="without" not in kind, internal=internal)
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cut")
        patch.setenv("BOARDFLASH_STATE_DIR", str(folder))
        rig = bench(folder, text, [tiny_flm, tiny_stldr, internal_flm])
        rig.flash(BEFORE)
        rig.set_memory("qspi", SIZE + 50, CALIBRATION)
        rig.set_memory("internal", 5000, CALIBRATION)
        whole = copy_of(rig, "whole")
        count = [0]
        with at_each_call(lambda _probe, n: count.__setitem__(0, n)):
            whole.flash(AFTER)
        check(whole)
    return rig, count[0]


def copy_of(rig: ForeignRig, name: str) -> ForeignRig:
    folder = rig.folder.parent / name
    shutil.copytree(rig.folder, folder)
    return replace(rig, folder=folder)


def check(rig: ForeignRig) -> None:
    internal, qspi = rig.memory("internal"), rig.memory("qspi")
    assert internal[: len(AFTER[INTERNAL])] == AFTER[INTERNAL]
    assert qspi[:SIZE] == AFTER[QSPI]
    assert internal[5000:][: len(CALIBRATION)] == CALIBRATION
    assert qspi[SIZE + 50 :][: len(CALIBRATION)] == CALIBRATION


@pytest.mark.parametrize("cut", ["unplug_at_call", "power_cut_at_call"])
def test_a_cut_at_any_call_is_made_good(scene: tuple[ForeignRig, int], tmp_path: Path, cut: str) -> None:
    rig, calls = scene
    for call in sample(range(20, calls), 3):
        again = copy_of(rig, f"{cut}-{call}")
        try:
            replace(again, faults={cut: str(call)}).flash(AFTER)
        except BoardflashError as error:
            assert "\n" not in str(error)
        internal = again.memory("internal")
        boots = internal[:8] == VECTORS[:8]
        if boots and internal[: len(AFTER[INTERNAL])] != BEFORE[INTERNAL]:
            # What boots is whole.
            assert internal[: len(AFTER[INTERNAL])] == AFTER[INTERNAL]
            assert again.memory("qspi")[:SIZE] == AFTER[QSPI]
        again = replace(again, faults={})
        again.flash(AFTER)
        check(again)
        assert not list((again.folder / "state" / "journal").rglob("*.json"))
        shutil.rmtree(again.folder)


def test_control_c_finishes_the_unit_in_work(scene: tuple[ForeignRig, int]) -> None:
    """At a call in the middle of the vendor's work; the next run goes on."""
    rig, calls = scene
    again = copy_of(rig, "control-c")
    plan = again.plan(AFTER)

    def press(_probe: object, n: int) -> None:
        if n == calls // 2:
            os.kill(os.getpid(), signal.SIGINT)

    with at_each_call(press), again.link() as link, pytest.raises(BoardflashError) as caught:
        flash(plan, link)
    assert caught.value.code == ExitCode.INTERRUPTED
    assert str(caught.value).startswith("interrupted; ")
    again.flash(AFTER)
    check(again)
