"""Exports of boards whose QSPI chip is not known: there is none, or only a loader of others is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.cli import main
from export.export_rig import stldr
from foreign.foreign_rig import HEAD, board_text

UNKNOWN = "region qspi names vendor/X.stldr and no chips, so there is nothing to make it of"
MADE = {
    "flm": {"bench-internal.FLM"},
    "openocd": {"bench.cfg"},
    "probe-rs": {"bench.yaml"},
    "pyocd": {"bench_pyocd.py", "bench-internal.FLM"},
    "make": {"flash.mk"},
}


def export(form: str, folder: Path, board: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    (folder / "bench.toml").write_text(board, encoding="utf-8")
    code = main(["export", form, "--board", str(folder / "bench.toml"), "--output", str(folder / "out")])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("form", MADE)
def test_a_board_without_a_chip_gets_files_of_its_internal_flash(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(form, tmp_path, HEAD, capsys) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == MADE[form]
    for path in (tmp_path / "out").iterdir():
        assert form == "make" or b"0x90000000" not in path.read_bytes().lower()


@pytest.mark.parametrize("form", MADE)
def test_that_a_chip_is_not_known_is_told(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "X.stldr").write_bytes(stldr().read_bytes())
    code, told = export(form, tmp_path, board_text("vendor/X.stldr", chips=False), capsys)
    assert code == 0
    assert told == ("" if form == "make" else f"note: {UNKNOWN}; the rest is made\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == MADE[form]


@pytest.mark.parametrize("form", ["jlink", "stldr"])
def test_loaders_for_the_chip_alone_are_refused(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = export(form, tmp_path, HEAD, capsys)
    assert code != 0
    assert told.endswith(": this board has no QSPI chip to make a flash algorithm for\n")
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "X.stldr").write_bytes(stldr().read_bytes())
    code, told = export(form, tmp_path, board_text("vendor/X.stldr", chips=False), capsys)
    assert code != 0
    assert told.endswith(f": {UNKNOWN}\n")
