"""One process at a time on a probe, shown with two real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.lock import ProbeLock
from boardflash.state import state_dir

HOLDER = """
    import sys
    sys.argv = ["/usr/bin/boardflash", "flash", "app.elf"]
    from boardflash.link.lock import ProbeLock
    lock = ProbeLock(PROBE)
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(probe: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the probe until its input ends."""
    code = textwrap.dedent(HOLDER).replace("PROBE", repr(probe))
    site = Path(sys.modules["boardflash"].__file__ or "").resolve().parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.stdin.close()


@pytest.mark.parametrize(
    ("probe", "where"), [("801012345", "J-Link 801012345"), ("sim-42", "simulated J-Link 42")]
)
def test_a_busy_probe_names_its_holder(probe: str, where: str) -> None:
    with held_elsewhere(probe) as holder:
        with pytest.raises(BoardflashError) as caught:
            ProbeLock(probe)
        assert re.fullmatch(
            rf"{where}: is in use by process {holder.pid} \(boardflash flash app\.elf\) "
            r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; wait until it has finished, or choose another probe",
            str(caught.value),
        )
        assert caught.value.code == ExitCode.PROBE_BUSY
        ProbeLock("another").release()
    ProbeLock(probe).release()


def test_a_crash_frees_the_probe() -> None:
    with held_elsewhere("1") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        ProbeLock("1").release()


def test_the_same_process_cannot_take_it_twice_either() -> None:
    with ProbeLock("1"), pytest.raises(BoardflashError, match=rf"process {os.getpid()} "):
        ProbeLock("1")
    ProbeLock("1").release()


def test_a_holder_that_has_not_yet_written_its_name_is_another_process() -> None:
    with ProbeLock("1") as lock:
        os.truncate(lock.path, 0)
        with pytest.raises(BoardflashError, match="is in use by another process; "):
            ProbeLock("1")


def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BoardflashError) as caught:
        ProbeLock("1", folder=tmp_path / "file")
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'locks' / 'probe-1.lock'}: no lock can be made here (Not a directory); "
        "set BOARDFLASH_STATE_DIR to another folder"
    )


def test_the_lock_is_outside_the_build_tree(own_state: Path) -> None:
    with ProbeLock("1") as lock:
        assert lock.path == own_state / "locks" / "probe-1.lock"


def test_the_state_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert state_dir() == tmp_path / "state"
    monkeypatch.delenv("BOARDFLASH_STATE_DIR")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    platform = SimpleNamespace(platform="linux")
    monkeypatch.setattr("boardflash.state.sys", platform)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_dir() == tmp_path / ".local" / "state" / "boardflash"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_dir() == tmp_path / ".local" / "state" / "boardflash"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_dir() == tmp_path / "xdg" / "boardflash"
    platform.platform = "darwin"
    assert state_dir() == tmp_path / "Library" / "Application Support" / "boardflash"
    platform.platform = "win32"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert state_dir() == tmp_path / "local" / "boardflash"
