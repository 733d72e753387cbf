"""Ctrl-C in each phase of a run: one line, exit 130, and the next run finishes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The command line's own process, with a signal to itself when a phase of its choice begins, or (`in NAME`)
# when the first bytes of that phase are done.
DRIVER = """
import os, signal, sys
import boardflash.program.session, boardflash.program.run as run
from boardflash.cli import main
moment, times, number = sys.argv.pop(1), int(sys.argv.pop(1)), signal.Signals[sys.argv.pop(1)]
left = [times]
def strike():
    while left[0]:
        left[0] -= 1
        os.kill(os.getpid(), number)
class Progress:
    def __init__(self, other): self._other, self._phase = other, ""
    def __getattr__(self, name): return getattr(self._other, name)
    def phase(self, name, total):
        self._other.phase(name, total)
        self._phase = name
        if name == moment: strike()
    def advance(self, amount):
        self._other.advance(amount)
        if amount and moment == "in " + self._phase: strike()
def watched(inner):
    return lambda plan, link, options=None, progress=None: inner(plan, link, options, Progress(progress))
for name in ("flash", "verify"):
    inner = getattr(run, name)
    for module in list(sys.modules.values()):
        if getattr(module, name, None) is inner: setattr(module, name, watched(inner))
if moment == "loader":
    import boardflash.loader.compile as compiler
    compiler.subprocess.run = lambda *args, **named: strike() or sys.exit("no Ctrl-C")
sys.exit(main(sys.argv[1:]))
"""
FINISHED = "interrupted; the unit in work is finished, the next run goes on from here"
UNCHANGED = "interrupted; nothing on the device has been changed"


def command(
    folder: Path, moment: str, times: int, *words: str, verb: str = "flash", number: str = "SIGINT"
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "site_scons"),
        "BOARDFLASH_STATE_DIR": str(folder / "state"),
    }
    device = (verb, "data.bin@0x90000000", "--board", "stm32f746g-disco", "--probe", "sim")
    return subprocess.run(
        [sys.executable, "-c", DRIVER, moment, str(times), number, *device, *words],
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
        ("connect", UNCHANGED),
        ("digest", UNCHANGED),
        ("program", UNCHANGED),
        ("in program", FINISHED),
        ("verify", FINISHED),
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


def test_control_c_in_the_middle_goes_on_from_there(tmp_path: Path) -> None:
    """No stamp, a report that says so, the probe free again; and what is written is not written twice."""
    size = 400_000
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(size))
    words = ("--json=report.json", "--stamp", "data.stamp")
    assert command(tmp_path, "never", 0, *words).returncode == 0
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"other").digest(size))
    cut = command(tmp_path, "in program", 1, *words)
    assert (cut.returncode, cut.stderr) == (130, f"boardflash: {FINISHED}\n"), cut.stdout
    assert not (tmp_path / "data.stamp").exists()
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["exit_code"], told["verb"]) == (130, "flash")
    assert command(tmp_path, "never", 0, verb="verify").returncode == 1
    again = command(tmp_path, "never", 0, *words)
    assert again.returncode == 0, again.stderr
    (region,) = json.loads((tmp_path / "report.json").read_text())["regions"]
    assert 0 < region["bytes_programmed"] < size
    assert (tmp_path / "data.stamp").exists()
    assert command(tmp_path, "never", 0, verb="verify").returncode == 0


def test_a_polite_kill_is_taken_as_control_c(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(5000))
    cut = command(tmp_path, "verify", 1, number="SIGTERM")
    assert (cut.returncode, cut.stderr) == (130, f"boardflash: {FINISHED}\n")
    assert command(tmp_path, "never", 0).returncode == 0


def test_control_c_while_verifying_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(5000))
    cut = command(tmp_path, "digest", 1, verb="verify")
    assert (cut.returncode, cut.stderr) == (130, f"boardflash: {UNCHANGED}\n")


def test_control_c_before_the_device_is_touched_is_one_line(tmp_path: Path) -> None:
    """While the loader is compiled."""
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(5000))
    cut = command(tmp_path, "loader", 1)
    assert (cut.returncode, cut.stderr) == (130, "boardflash: interrupted; flash again to finish\n")
    assert command(tmp_path, "never", 0).returncode == 0
