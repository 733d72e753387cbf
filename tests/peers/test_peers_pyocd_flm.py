"""pyOCD, unmodified, writes the QSPI chip with the flash algorithm built from our loader's sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.export.flm import build_flm
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.jlink_wire import CALL_COSTS
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.images import assets
from peers.pyocd_client import PyocdBench, PyocdRun

WINDOW = 0x90000000
SIZE = 70_001  # two sectors, the last page in part
BOARD = "stm32f746g-disco"


@pytest.fixture(scope="module")
def flm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_flm(load_board(BOARD), tmp_path_factory.mktemp("flm"))


@pytest.fixture(scope="module", params=["stm32f746g-disco", "stm32f746g-disco-c03"])
def bench(
    request: pytest.FixtureRequest, python: Path, flm: Path, tmp_path_factory: pytest.TempPathFactory
) -> PyocdBench:
    """Both chips by the one algorithm: it tells them apart by JEDEC ID."""
    return PyocdBench(python, tmp_path_factory.mktemp("pyocd-flm"), request.param, serial="flm", flm=flm)


@pytest.fixture(scope="module")
def runs(bench: PyocdBench) -> list[PyocdRun]:
    """Over old content; the same again; one byte changed."""
    board = SimulatedBoard(load_twin(bench.twin), BoardState.load(bench.folder, bench.serial))
    board.chip.array[:SIZE] = assets(SIZE, seed=8)
    board.save()
    changed = bytearray(assets(SIZE, seed=9))
    changed[100] ^= 0xFF
    done = []
    for content in (assets(SIZE, seed=9), assets(SIZE, seed=9), changed):
        (bench.folder / "image.bin").write_bytes(content)
        done.append(bench.load(f"image.bin@{WINDOW:#x}"))
    return done


def test_a_charged_run_pays_for_opening_connecting_and_its_two_resets(
    python: Path, flm: Path, tmp_path: Path
) -> None:
    """With nothing to do but look; `docs/bench.md` names the number of resets."""
    (tmp_path / "image.bin").write_bytes(b"\xff" * 4096)  # what a blank chip holds
    seconds = []
    for charged in (False, True):
        bench = PyocdBench(python, tmp_path, "stm32f746g-disco", "charged", flm, charged=charged)
        done = bench.load(f"image.bin@{WINDOW:#x}")
        assert done.returncode == 0, done.output
        seconds.append(done.counts["board_seconds"])
    costs = CALL_COSTS["real"]
    paid = (costs.open_us + costs.connect_us + 2 * costs.reset_us) / 1e6
    assert seconds[1] - seconds[0] == pytest.approx(paid, abs=1e-3)


def written(run: PyocdRun) -> tuple[int, int]:
    """Sectors erased, bytes programmed."""
    assert run.returncode == 0, run.output
    found = re.search(r"Erased \d+ bytes \((\d+) sectors?\), programmed (\d+) bytes", run.output)
    assert found, run.output
    return int(found[1]), int(found[2])


def test_pyocd_writes_the_qspi_chip_over_old_content_byte_for_byte(
    bench: PyocdBench, runs: list[PyocdRun]
) -> None:
    assert written(runs[0]) == (2, -(-SIZE // 4096) * 4096)
    expected = bytearray(assets(SIZE, seed=9))
    expected[100] ^= 0xFF
    content = (bench.folder / "sim" / bench.serial / "qspi.bin").read_bytes()
    assert content[:SIZE] == expected
    assert set(content[SIZE:]) == {0xFF}


def test_pyocd_reads_the_window_after_init_and_skips_what_is_there(runs: list[PyocdRun]) -> None:
    assert written(runs[1]) == (0, 0)
    assert runs[1].counts["ap_reads"] > SIZE // 4


def test_the_docs_show_what_pyocd_says_then(runs: list[PyocdRun]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "export-flm.md").read_text(encoding="utf-8")
    shown = re.search(r"^Erased 0 bytes.*$", page, re.M)
    assert shown and shown[0] in runs[1].output


def test_one_changed_byte_costs_pyocd_one_sector(runs: list[PyocdRun]) -> None:
    assert written(runs[2]) == (1, 0x10000)
