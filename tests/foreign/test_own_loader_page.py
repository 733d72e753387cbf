"""docs/your-own-loader.md: its board file and its commands give the lines that it shows."""

from __future__ import annotations

import random
import re
import shlex
import shutil
from pathlib import Path

import pytest
from intelhex import IntelHex

from boardflash.cli import main
from foreign.foreign_rig import INTERNAL
from rig import VECTORS

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-loader.md").read_text(encoding="utf-8")
SIM = ["--probe", "sim", "--twin", "stm32f746g-disco"]  # what the page says that it was run with
FIRST, ONE_BYTE = re.findall(
    r"^```\n(.*?)^```\n", re.sub(r"```toml.*?```", "", PAGE, flags=re.DOTALL), re.M | re.S
)
SIZE = 40_000


@pytest.fixture
def project(tmp_path: Path, tiny_stldr: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vendor").mkdir()
    shutil.copyfile(tiny_stldr, tmp_path / "vendor" / "X.stldr")
    (board,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "acme.toml").write_text(board, encoding="utf-8")
    firmware = IntelHex()
    firmware.puts(INTERNAL, VECTORS + random.Random(1).randbytes(9016 - len(VECTORS)))
    firmware.write_hex_file(str(tmp_path / "fw.hex"))
    (tmp_path / "art.bin").write_bytes(random.Random(2).randbytes(SIZE))
    return tmp_path


def flash(capsys: pytest.CaptureFixture[str]) -> str:
    (command,) = re.findall(r"^    boardflash (flash .*)$", PAGE, re.MULTILINE)
    assert main(shlex.split(command) + SIM) == 0
    return capsys.readouterr().out


def missing(shown: str, said: str) -> list[str]:
    """Shown lines that were not said, in their order."""
    lines = iter(said.splitlines())
    return [line for line in shown.splitlines() if line not in lines]


def test_the_first_run_and_that_of_one_byte_print_what_is_shown(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert missing(FIRST, flash(capsys)) == []
    art = bytearray((project / "art.bin").read_bytes())
    art[5000] ^= 0xFF
    (project / "art.bin").write_bytes(art)
    assert missing(ONE_BYTE, flash(capsys)) == []
    assert "0 bytes written" in flash(capsys)
