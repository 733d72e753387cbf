"""A whole flashing session, recorded on one bench, replays on another that has no board at all."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.link.jlink import Link
from boardflash.link.probes import open_replay
from boardflash.plan.model import FlashPlan
from boardflash.program.run import flash
from rig import VECTORS, Rig

IMAGES = {
    0x0800_0000: VECTORS + random.Random(1).randbytes(3000),
    0x9000_0000: random.Random(2).randbytes(40_000),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def plan(bench: Rig) -> FlashPlan:
    return bench.plan(IMAGES)


def replayed(bench: Rig, trace: Path) -> Link:
    probe = bench.board.probe
    return open_replay(
        trace,
        jlink_device=bench.board.part.jlink_device,
        interface=probe.interface,
        speed_khz=probe.speed_khz,
        under_reset=probe.connect_under_reset,
    )


def test_a_session_replays_to_the_same_report(bench: Rig, plan: FlashPlan, tmp_path: Path) -> None:
    bench.serial, bench.trace = "1001", tmp_path / "session.jsonl"
    with bench.link() as link:
        recorded = flash(plan, link)
    with replayed(bench, bench.trace) as link:
        again = flash(plan, link)
    assert again == recorded
    assert recorded.seconds > 0
    bytes_flashed = sum(len(data) for data in IMAGES.values())
    assert sum(region.bytes_programmed for region in recorded.regions) >= bytes_flashed


def test_a_session_that_failed_fails_the_same_way(
    bench: Rig, plan: FlashPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.serial, bench.trace = "1002", tmp_path / "whole.jsonl"
    with bench.link() as link:
        flash(plan, link)
    calls = len(bench.trace.read_text(encoding="utf-8").splitlines())
    bench.serial, bench.trace = "1003", tmp_path / "session.jsonl"
    bench.faults = {"unplug_at_call": str(calls * 3 // 4)}
    try:
        with pytest.raises(BoardflashError) as recorded, bench.link() as link:
            flash(plan, link)
    finally:
        bench.faults = {}
    # Whoever replays it has another journal: what the cut run owes is no part of the trace.
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(BoardflashError) as again, replayed(bench, bench.trace) as link:
        flash(plan, link)
    assert str(again.value) == str(recorded.value)
    assert again.value.code == recorded.value.code


def test_another_plan_deviates_from_the_trace(bench: Rig, plan: FlashPlan, tmp_path: Path) -> None:
    bench.serial, bench.trace = "1004", tmp_path / "session.jsonl"
    with bench.link() as link:
        flash(plan, link)
    other = bench.plan({**IMAGES, 0x9000_0000: random.Random(3).randbytes(40_000)})
    with (
        pytest.raises(BoardflashError, match="this session deviates from the trace"),
        replayed(bench, bench.trace) as link,
    ):
        flash(other, link)


def test_the_trace_is_smaller_than_what_was_flashed(bench: Rig, tmp_path: Path) -> None:
    bench.serial, bench.trace = "1005", tmp_path / "session.jsonl"
    image = random.Random(4).randbytes(96 << 10)
    with bench.link() as link:
        flash(bench.plan({0x9000_0000: image}), link)
    assert bench.trace.stat().st_size < len(image)
    calls = Counter(json.loads(line).get("call") for line in bench.trace.open(encoding="utf-8"))
    assert calls["JLINKARM_WriteMemEx"] > 4
