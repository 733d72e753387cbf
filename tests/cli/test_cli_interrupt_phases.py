"""Ctrl-C in each phase of a run: one line, exit 130, and the next run finishes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The command line's own process, with a signal to itself when a phase of its choice begins.
DRIVER = """
import os, signal, sys
import boardflash.program.session, boardflash.program.run as run
from boardflash.cli import main
phase, times = sys.argv.pop(1), int(sys.argv.pop(1))
inner = run.flash
class Progress:
    def __init__(self, other): self._other = other
    def __getattr__(self, name): return getattr(self._other, name)
    def phase(self, name, total):
        self._other.phase(name, total)
        if name == phase:
            for _ in range(times): os.kill(os.getpid(), signal.SIGINT)
def flash(plan, link, options=None, progress=None):
    return inner(plan, link, options, Progress(progress))
for module in list(sys.modules.values()):
    if getattr(module, "flash", None) is inner: module.flash = flash
sys.exit(main(sys.argv[1:]))
"""


def command(folder: Path, phase: str, times: int) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "site_scons"),
        "BOARDFLASH_STATE_DIR": str(folder / "state"),
    }
    words = ("flash", "data.bin@0x90000000", "--board", "stm32f746g-disco", "--probe", "sim")
    return subprocess.run(
        [sys.executable, "-c", DRIVER, phase, str(times), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        ("connect", "interrupted; nothing on the device has been changed"),
        ("program", "interrupted; nothing on the device has been changed"),
        ("verify", "interrupted; the unit in work is finished, the next run goes on from here"),
    ],
)
def test_control_c_is_one_line_in_every_phase(tmp_path: Path, phase: str, line: str) -> None:
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(5000))
    cut = command(tmp_path, phase, 1)
    assert (cut.returncode, cut.stderr.splitlines()[-1:]) == (130, [f"boardflash: {line}"]), (
        cut.stdout + cut.stderr
    )
    assert len(cut.stderr.splitlines()) == 1
    again = command(tmp_path, "never", 0)
    assert again.returncode == 0, again.stderr


def test_a_second_control_c_ends_at_once_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(5000))
    cut = command(tmp_path, "program", 2)
    assert cut.returncode == 130, cut.stdout + cut.stderr
    assert "Traceback" not in cut.stderr and len(cut.stderr.splitlines()) == 1
    assert command(tmp_path, "never", 0).returncode == 0
