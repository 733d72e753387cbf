"""The measurement's cases and cost models, its tables, its commands, and one case of it on a board."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import bench_tables
import compare
import kept
import side_by_side
from bench_chart import chart
from bench_rows import Row, digest_rate, rows
from bench_tables import SAME_SOURCES, UNMEASURED, bars, both_models, markdown, plain
from cases import (
    CHIP_SIZE,
    FIRMWARE,
    FLAT,
    LARGE,
    MODELS,
    REAL,
    SMALL,
    Case,
    all_cases,
    device_after,
    device_before,
    image,
    start_up_case,
)
from goals import goals
from readme_table import SHOWN, in_readme, quoted, readme_table
from runners import BOARD, Result, RunFailedError, Tools, run

from boardflash.description.load import load_board
from boardflash.sim.faults import with_faults
from boardflash.sim.jlink_wire import CALL_COSTS, PS_PER_US
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.charged import AIRCR, ChargedBoard, peer_board

ROOT = Path(__file__).resolve().parents[2]
board = load_board(BOARD)


def test_devices_differ_by_what_the_case_says() -> None:
    def differing(situation: str) -> int:
        case = Case("pyOCD", "pictures", LARGE, situation)
        before, after = device_before(case), device_after(case)
        assert before[LARGE:] == after[LARGE:]
        return sum(a != b for a, b in zip(before[:LARGE], after[:LARGE], strict=True))

    assert differing("unchanged") == 0
    assert differing("one byte") == 1
    assert differing("10 %") == pytest.approx(51 * 4096, rel=0.01)  # random bytes are equal now and then


def test_the_largest_pictures_begin_like_the_small_ones() -> None:
    assert image("pictures", CHIP_SIZE)[:LARGE] == image("pictures", LARGE)


def test_cases_have_names_of_their_own() -> None:
    keys = [case.key for case in all_cases()]
    assert len(set(keys)) == len(keys)


def test_a_case_runs_on_the_board_and_keeps_the_neighbours(tmp_path: Path) -> None:
    case = Case("boardflash", "random", 5000, "one byte", "both", "w25q128jv")
    result = run(case, Tools(tmp_path, tmp_path))
    assert result.lost_bytes == 0
    assert result.erased["qspi"] == {"4096": 1}
    assert result.erased["internal"] == {
        "32768": 2
    }  # the byte's sector, and the vector table's as boot guard
    assert 0.5 < result.board_seconds < 2.5
    assert 0 < result.proof_seconds < result.board_seconds
    flat = run(case.under(FLAT), Tools(tmp_path, tmp_path))
    assert flat.erased == result.erased
    assert flat.board_seconds < result.board_seconds - 0.3  # opening and connecting


def test_models_differ_in_calls_and_in_registers() -> None:
    twin = load_twin("stm32f746g-disco")
    real, flat = (with_faults(twin, MODELS[model].faults) for model in (REAL, FLAT))
    assert (real.costs, flat.costs) == (CALL_COSTS["real"], CALL_COSTS["flat"])
    assert real.twin == twin
    assert flat.twin.register_cycles == 1 < twin.register_cycles


def test_peers_pay_for_opening_connecting_and_each_reset() -> None:
    costs = CALL_COSTS["real"]
    charged, free = (
        peer_board("stm32f746g-disco", BoardState.in_memory(), {}, charged=charged)
        for charged in (True, False)
    )
    opened = (costs.open_us + costs.connect_us) * PS_PER_US
    assert isinstance(charged, ChargedBoard)
    assert (charged.clock.now_ps, free.clock.now_ps) == (opened, 0)
    for board in (charged, free):
        board.write_memory(AIRCR, (0x05FA0004).to_bytes(4, "little"), 4)
        board.write_memory(AIRCR, (0x05FA0000).to_bytes(4, "little"), 4)  # asks for nothing
        board.reset(halt=True)
        board.reset(halt=False)  # the pin is let go
    assert charged.resets == 2
    passed = charged.clock.now_ps - free.clock.now_ps
    assert passed == pytest.approx(opened + 2 * costs.reset_us * PS_PER_US, rel=1e-6)


def made_up() -> dict[str, dict[str, object]]:
    """A second and something a MiB, for the unchanged ones a tenth of that, and half under the flat model."""
    return {
        case.key: {
            "board_seconds": (1 + case.size / CHIP_SIZE)
            * (0.1 if case.situation == "unchanged" else 1)
            * (0.5 if case.model == FLAT else 1),
            "lost_bytes": 0,
            "sources": "same",
        }
        for case in all_cases()
    }


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return rows(made_up(), board)


def test_tables_and_chart_hold_every_case(found: list[Row]) -> None:
    assert len(found) == 33
    text = markdown(made_up(), board)
    assert text.count("\n| ") == 33 + 2 + len(goals(found)) + 2
    assert "$" not in text
    assert len(plain(both_models(made_up(), board)).splitlines()) == 34
    drawn = ET.fromstring(chart(bars(found)))
    rectangles = [e for e in drawn.iter() if e.tag.endswith("rect")]
    assert len(rectangles) == 1 + 3 + sum(len(row.seconds) for row in found)


def test_a_row_has_both_models_each_beside_its_own_limit() -> None:
    subject = Case("boardflash", "random", SMALL, "full")
    (both,) = (both for both in both_models(made_up(), board) if both.case == subject)
    assert both.real is not None
    assert both.flat is not None
    assert both.flat.seconds["pyOCD"] == both.real.seconds["pyOCD"] / 2
    assert both.flat.limit.start_up == pytest.approx(both.real.limit.start_up / 2)
    assert both.flat.limit.first_digest == pytest.approx(both.real.limit.first_digest / 2)
    assert both.flat.limit.chip == both.real.limit.chip
    cells = dict(zip(bench_tables.HEADS, bench_tables.cells(both), strict=True))
    assert cells["limit"] == f"{both.real.limit.total:.3f} s"
    assert cells["flat: limit"] == f"{both.flat.limit.total:.3f} s"
    assert cells["pyOCD"].startswith("1.009 s, ")
    assert cells["flat: pyOCD"].startswith("0.504 s, ")


def test_goals_and_chart_and_readme_are_of_the_real_model(found: list[Row]) -> None:
    assert {row.case.model for row in found} == {REAL}
    flat = {key: value for key, value in made_up().items() if key.endswith(f"/{FLAT}")}
    assert rows(flat, board) == []
    assert readme_table(rows(flat, board)).count("\n") == 2
    assert {case.model for case in quoted()} == {REAL}


def test_a_part_of_the_measurement_says_what_is_missing() -> None:
    real = {key: value for key, value in made_up().items() if key.endswith(f"/{REAL}")}
    text = markdown(real, board)
    assert f"flat: {UNMEASURED}" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| 16 MiB random | W25Q128JV | full |"))
    assert line.split(" | ")[7:12] == ["-"] * 5
    table = readme_table(rows({c.key: made_up()[c.key] for c in quoted()}, board))
    assert table.count("\n") == 2 + len(SHOWN)


def test_results_of_other_sources_are_told() -> None:
    assert SAME_SOURCES in markdown(made_up(), board)
    some = made_up()
    for key in list(some)[:3]:
        some[key]["sources"] = "other"
    assert f"same sources: 3 of {len(some)} results are of other sources" in markdown(some, board)


def before_and_now(more: dict[str, float]) -> list[compare.Compared]:
    """Results of before, and now those with so many seconds more."""
    now = made_up()
    for key, seconds in more.items():
        now[key]["board_seconds"] = float(str(now[key]["board_seconds"])) + seconds
    return compare.compare(now, made_up(), board)


def test_no_row_may_be_worse_than_the_proof_and_slower_digests() -> None:
    case = Case("boardflash", "random", LARGE, "full", model=FLAT)
    _, rate = digest_rate(made_up(), "qspi", "n25q128a13", FLAT)
    allowed = 0.020 + 2 * LARGE * rate * (180 / 168 - 1)
    for more, worse in ((0.0, False), (allowed - 0.001, False), (allowed + 0.001, True)):
        compared = before_and_now({case.key: more, case.under(REAL).key: 9, case.by("pyOCD").key: 9})
        assert [row.case for row in compared if row.worse] == ([case] if worse else [])
        assert len(compared) == 33
    said = compare.report(compared, "REV")
    assert "WORSE, by 1.0 ms" in said
    assert said.endswith("1 of 33 rows are worse than allowed; 0 rows have no figure to compare")


def test_results_of_before_the_models_are_of_the_flat_one(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    old, new = Case("boardflash", "random", SMALL, "full"), Case("pyOCD", "random", SMALL, "10 %")
    (tmp_path / "docs").mkdir()
    results = {old.subject: {"board_seconds": 2.6}, new.key: {"board_seconds": 3.5}}
    (tmp_path / "docs" / "bench.json").write_text(json.dumps({"one_run": True, "results": results}))
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "results")
    assert compare.published(tmp_path, "HEAD") == {
        old.under(FLAT).key: {"board_seconds": 2.6},
        new.key: {"board_seconds": 3.5},
    }
    with pytest.raises(SystemExit, match=r"no results of v0: .*v0"):
        compare.published(tmp_path, "v0")


def test_rows_without_a_measured_start_up_are_left_out() -> None:
    written = Case("boardflash", "random", FIRMWARE, "full", "internal")
    started = start_up_case("internal", "n25q128a13")
    unchanged = {key: value for key, value in made_up().items() if "/unchanged/" in key}
    some = {**unchanged, written.key: made_up()[written.key]}
    assert {row.case.memory for row in rows(some, board)} == {"qspi", "internal"}
    del some[started.key]
    assert {row.case.memory for row in rows(some, board)} == {"qspi"}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """side_by_side on made-up measurements, its results in a folder of their own that takes docs/' place."""
    path = tmp_path / "bench.json"
    seconds = made_up()

    def measured(cases: list[Case]) -> list[tuple[Case, Result]]:
        return [(c, Result(float(str(seconds[c.key]["board_seconds"])), 1.0, {}, 0, 0)) for c in cases]

    monkeypatch.setattr(bench_tables, "DOCS", tmp_path)
    monkeypatch.setattr(side_by_side, "measure", measured)
    monkeypatch.setattr(side_by_side, "what_can_run", lambda cases: cases)
    monkeypatch.setattr(side_by_side.bench_tables, "write", lambda results, board, folder: None)
    return path


def test_a_failed_case_is_named_and_has_no_figure(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side_by_side.main(["--all"])
    monkeypatch.setattr(side_by_side, "measure", lambda cases: [(c, RunFailedError("no")) for c in cases])
    with pytest.raises(SystemExit, match="boardflash/w25q128jv/qspi/random/2097152/full"):
        side_by_side.main(["--only", "w25q128jv/qspi/random/2097152/full/real"])
    results = json.loads(bench.read_text())["results"]
    assert len(results) == len(all_cases()) - 1


def measured_by(bench: Path, *arguments: str) -> set[str]:
    """Keys whose results are of the sources as they are now."""
    side_by_side.main(list(arguments))
    results = json.loads(bench.read_text())["results"]
    return {key for key, result in results.items() if result["sources"] == kept.sources()}


def test_all_starts_from_nothing(bench: Path) -> None:
    bench.write_text(json.dumps({"one_run": False, "results": {"gone/case": {"board_seconds": 1}}}))
    assert measured_by(bench, "--all") == {case.key for case in all_cases()}
    assert "gone/case" not in json.loads(bench.read_text())["results"]
    assert [path.name for path in bench.parent.iterdir()] == ["bench.json"]


def test_a_stopped_run_is_continued(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result is kept at once; without options only what is missing, or of other sources, is run."""
    asked: list[Case] = []

    def stopped(cases: list[Case]) -> Iterator[tuple[Case, Result]]:
        asked[:] = cases
        yield cases[0], Result(1.0, 1.0, {}, 0, 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side, "measure", stopped)
    older, *others = all_cases()
    bench.write_text(json.dumps({"results": {older.key: {"board_seconds": 1, "sources": "older"}}}))
    for known in ((), (older,), (older, others[0])):
        with pytest.raises(KeyboardInterrupt):
            side_by_side.main([])
        assert asked == [case for case in all_cases() if case not in known]
    with pytest.raises(KeyboardInterrupt):
        side_by_side.main(["--readme"])
    assert set(asked) == quoted() - {older, others[0]}


def test_rendering_and_comparing_measure_nothing(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_results = made_up()
    bench.write_text(json.dumps({"results": kept_results}))
    monkeypatch.setattr(side_by_side, "measure", lambda cases: pytest.fail("it measures"))
    monkeypatch.setattr(compare, "published", lambda root, revision: made_up())
    side_by_side.main(["--render"])
    side_by_side.main(["--compare-with", "v1"])
    key = Case("boardflash", "random", SMALL, "full", model=FLAT).key
    kept_results[key]["board_seconds"] = 99.0
    bench.write_text(json.dumps({"results": kept_results}))
    with pytest.raises(SystemExit) as ended:
        side_by_side.main(["--compare-with", "v1"])
    assert ended.value.code == 1


def test_the_writes_of_16_mib_come_last() -> None:
    late = [case.size == CHIP_SIZE and case.situation != "unchanged" for case in all_cases()]
    turns = sorted(all_cases(), key=side_by_side.turn)
    assert [c.size == CHIP_SIZE and c.situation != "unchanged" for c in turns] == sorted(late)
    assert turns[0].tool == "pyOCD"  # the longest of the others


def test_a_folder_of_ones_own_leaves_readme_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_tables, "put_into_readme", lambda found: pytest.fail("README is written"))
    (tmp_path / "bench.json").write_text(json.dumps({"results": made_up()}))
    side_by_side.main(["--render", "--folder", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.md", "bench.svg"}


def test_what_is_written_to_readme_and_chart_is_of_the_real_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Row]
) -> None:
    written: list[Row] = []
    monkeypatch.setattr(bench_tables, "DOCS", tmp_path)
    monkeypatch.setattr(bench_tables, "put_into_readme", written.extend)
    bench_tables.write(made_up(), board, tmp_path)
    assert written == found
    assert (tmp_path / "bench.svg").read_text() == chart(bars(found))


def test_readme_shows_what_was_measured() -> None:
    """Its table is made of docs/bench.json; nobody types a figure."""
    results = json.loads((ROOT / "docs" / "bench.json").read_text(encoding="utf-8"))["results"]
    shown = in_readme()
    assert shown == readme_table(rows(results, board))
    assert shown.count("\n") >= 10
