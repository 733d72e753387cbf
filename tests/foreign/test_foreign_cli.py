"""The whole way by the command line: a board file that names a loader, a plan that flashes elsewhere."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.cli import main
from boardflash.errors import BoardflashError
from boardflash.plan.file import load_plan
from foreign.foreign_rig import INTERNAL, KIB, QSPI, bench, board_text
from rig import VECTORS

SIM = ("--probe", "sim", "--twin", "stm32f746g-disco")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., str]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def command(*words: str, code: int = 0) -> str:
        found = main(list(words))
        said = capsys.readouterr()
        assert found == code, said.err + said.out
        return said.out + said.err

    return command


def test_a_board_file_with_a_loader_flashes_and_its_plan_does_elsewhere(
    run: Callable[..., str], tmp_path: Path, tiny_stldr: Path
) -> None:
    (tmp_path / "vendor").mkdir()
    shutil.copyfile(tiny_stldr, tmp_path / "vendor" / "X.stldr")
    (tmp_path / "bench.toml").write_text(board_text("vendor/X.stldr", chips=False), encoding="utf-8")
    (tmp_path / "fw.bin").write_bytes(VECTORS + random.Random(1).randbytes(2000))
    (tmp_path / "art.bin").write_bytes(random.Random(2).randbytes(9 * KIB))
    inputs = (f"fw.bin@{INTERNAL:#x}", f"art.bin@{QSPI:#x}", "--board", "bench.toml")
    assert "vendor/X.stldr works with the core halted between its calls" in run("flash", *inputs, *SIM)
    assert "0 bytes written" in run("flash", *inputs, *SIM)
    assert "vendor  qspi-X.stldr (vendor/X.stldr) for qspi" in run("plan", *inputs, "--output", "plan")
    shutil.move(tmp_path / "plan", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "vendor")
    assert "0 bytes written" in run("flash", "elsewhere/plan.json", *SIM)
    assert "the device matches the plan" in run("verify", "elsewhere/plan.json", *SIM)
    with (tmp_path / "elsewhere" / "qspi-X.stldr").open("ab") as file:
        file.write(b"another")
    assert "is not the file that the plan was made with" in run("flash", "elsewhere/plan.json", *SIM, code=3)
    (tmp_path / "elsewhere" / "qspi-X.stldr").unlink()
    assert "missing; build again, or copy it beside the plan" in run(
        "flash", "elsewhere/plan.json", *SIM, code=3
    )


def test_read_and_erase_go_through_the_loader(
    run: Callable[..., str], tmp_path: Path, tiny_flm: Path
) -> None:
    (tmp_path / "vendor").mkdir()
    shutil.copyfile(tiny_flm, tmp_path / "vendor" / "X.FLM")
    (tmp_path / "bench.toml").write_text(board_text("vendor/X.FLM", chips=False), encoding="utf-8")
    data = random.Random(2).randbytes(9 * KIB)
    (tmp_path / "art.bin").write_bytes(data)
    run("flash", f"art.bin@{QSPI:#x}", "--board", "bench.toml", *SIM)
    board = ("--board", "bench.toml", *SIM)
    run("erase", "--region", "qspi", "--address", f"{QSPI + 0x1000:#x}", "--size", "0x1000", *board)
    run("read", f"{QSPI:#x}", str(9 * KIB), "--output", "back.bin", *board)
    assert (tmp_path / "back.bin").read_bytes() == data[:0x1000] + b"\xff" * 0x1000 + data[0x2000:]


def test_a_plan_without_a_loader_of_others_is_as_it_was(tmp_path: Path, tiny_flm: Path) -> None:
    """No key more than before: plans of older versions and of this one are the same bytes."""
    rig = bench(tmp_path / "bench", board_text())
    rig.plan({QSPI: b"art"})
    text = (tmp_path / "bench" / "rig" / "plan" / "plan.json").read_text(encoding="ascii")
    regions = json.loads(text)["board"]["regions"]
    assert all("loader" not in region for region in regions)


def test_a_plan_names_its_loader_relative_and_by_digest(tmp_path: Path, tiny_flm: Path) -> None:
    rig = bench(tmp_path / "bench", board_text("vendor/tiny.FLM"), [tiny_flm])
    rig.plan({QSPI: b"art"})
    folder = tmp_path / "bench" / "rig" / "plan"
    text = (folder / "plan.json").read_text(encoding="ascii")
    assert str(tmp_path) not in text
    loader = load_plan(folder / "plan.json").board.region("qspi").loader
    assert loader is not None
    assert (loader.file, loader.name) == ("qspi-tiny.FLM", "vendor/tiny.FLM")
    (folder / "plan.json").write_text(text.replace('"qspi-tiny.FLM"', '"/opt/tiny.FLM"'), encoding="ascii")
    with pytest.raises(BoardflashError, match="must be a path relative to the plan"):
        load_plan(folder / "plan.json")
