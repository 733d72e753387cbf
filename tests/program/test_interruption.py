"""A run that is cut off anywhere is made good by the next one, and never boots half-written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024
SETTINGS = b"calibration of this very device"


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def images(seed: int) -> dict[int, bytes]:
    """Code in two sectors of internal flash, data in QSPI, both ending in the middle of an erase unit."""
    return {INTERNAL: VECTORS + noise(40_000, seed), QSPI: noise(9 * KIB, seed)}


def prepared(folder: Path) -> Rig:
    """A device that holds version 1 and settings of its own beside both images."""
    rig = Rig(folder)
    rig.flash(images(1))
    rig.set_memory("internal", 60_000, SETTINGS)
    rig.set_memory("qspi", 11 * KIB, SETTINGS)
    return rig


def calls_of_a_whole_run(folder: Path) -> int:
    rig = prepared(folder)
    rig.trace = folder / "whole.jsonl"
    rig.flash(images(2))
    return sum(1 for line in rig.trace.read_text().splitlines() if '"call"' in line or '"fn"' in line)


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_cut_cable_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tenth: int) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "a" / "state"))
    total = calls_of_a_whole_run(tmp_path / "a")
    assert total > 50
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "b" / "state"))
    rig = prepared(tmp_path / "b")
    rig.faults = {"unplug_at_call": str(total * tenth // 10)}
    with pytest.raises(BoardflashError) as caught:
        rig.flash(images(2))
    assert caught.value.code in (ExitCode.DEVICE_FAILED, ExitCode.NO_PROBE)
    left = rig.memory("internal")
    whole = (images(1)[INTERNAL], images(2)[INTERNAL])
    bootable = left[: len(VECTORS)] == VECTORS
    assert not bootable or bytes(left[: len(whole[0])]) in whole
    rig.faults = {}
    rig.flash(images(2))
    for region, base in (("internal", INTERNAL), ("qspi", QSPI)):
        content = images(2)[base]
        assert rig.memory(region)[: len(content)] == content
    assert rig.memory("internal")[60_000:][: len(SETTINGS)] == SETTINGS
    assert rig.memory("qspi")[11 * KIB :][: len(SETTINGS)] == SETTINGS
    assert not list((tmp_path / "b" / "state" / "journal").rglob("*.json"))
