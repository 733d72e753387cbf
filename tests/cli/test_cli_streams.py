"""Where output goes: closed streams, pipes, devices, links, full disks. Only our own is replaced."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from boardflash.cli import main
from boardflash.errors import BoardflashError, ExitCode
from boardflash.files import read_file, write_file
from boardflash.link import lock
from boardflash.link.lock import ProbeLock
from boardflash.program.journal import Journal, Preserved
from rig import Rig

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices as on POSIX")
FULL = Path("/dev/full")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = command.replace("boardflash", f"{sys.executable} -m boardflash")
    return subprocess.run(["bash", "-c", words], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("boardflash list-boards >&-", 0, ""),
        ("boardflash list-boards 2>&-", 0, ""),
        ("boardflash verify none.elf --board stm32f746g-disco --probe sim >&- 2>&-", 3, ""),
        ("boardflash list-boards | true; exit ${PIPESTATUS[0]}", 0, ""),
        (
            "boardflash list-boards > /dev/full",
            3,
            "boardflash: the output could not be written: No space left on device\n",
        ),
        (
            "boardflash list-boards --json=/dev/full",
            3,
            "boardflash: /dev/full: cannot be written: No space left on device\n",
        ),
    ],
)
def test_a_closed_or_full_stream_costs_no_traceback(
    command: str, code: int, told: str, tmp_path: Path
) -> None:
    if "full" in command and not FULL.exists():
        pytest.skip("this system has no /dev/full")
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr) == (code, told)


def test_a_flash_whose_reader_has_gone_comes_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "a.bin").write_bytes(b"art" * 2000)
    command = "boardflash flash a.bin@0x90000000 --board stm32f746g-disco --probe sim:746020001 --json=r.json"
    done = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())["bytes_written"] == 6000
    assert (tmp_path / "state/sim/746020001/qspi.bin").read_bytes()[:6000] == b"art" * 2000


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main(["list-boards", f"--json={pipe}"]) == 0
    reader.join(10)
    assert json.loads(got[0])["boards"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("no device can be made here")
    assert main(["list-boards", f"--json={device}"]) == 0
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


def test_a_link_stays_one_and_the_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "report.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert main(["list-boards", f"--json={link}"]) == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["boards"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_folder_is_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list-boards", f"--json={tmp_path}"]) == ExitCode.BAD_INPUT
    assert capsys.readouterr().err == f"boardflash: {tmp_path}: cannot be written: is a folder\n"


def test_a_write_that_fails_names_the_file_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 10:
            return real(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(BoardflashError) as caught:
        write_file(path, b"new" * 5)
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_what_is_no_file_or_too_large_is_not_read(kind: str, tmp_path: Path) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_bytes(bytes(101))
    told = {
        "pipe": "is a pipe, not a file",
        "device": "is a device, not a file",
        "folder": "is a folder, not a file",
        "large": "has 101 bytes; at most 100 are read",
    }
    with pytest.raises(BoardflashError) as caught:
        read_file(path, 100)
    assert str(caught.value) == f"{path}: {told[kind]}"


def test_a_plan_that_names_a_pipe_or_a_device_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    rig = Rig(tmp_path)
    plan = rig.plan({0x9000_0000: b"art" * 100})
    for name in ("qspi.bin", "plan.json"):
        file = plan.folder / name
        kept = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        assert main(["plan", str(plan.folder / "plan.json")]) == ExitCode.BAD_INPUT
        assert capsys.readouterr().err == f"boardflash: {file}: is a pipe, not a file\n"
        file.unlink()
        file.write_bytes(kept)


def test_state_is_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        with ProbeLock("sim-1", folder=state):
            pass
        journal = Journal(state, "ab" * 12, "qspi", "20ba18")
        journal.keep(0x9000_0000, (Preserved(0x9000_0000, b"kept"),))
        journal.begin(0x9000_0000)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [state, *state.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_link_in_the_place_of_a_lock_or_an_entry_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "state" / "locks").mkdir(parents=True)
    (tmp_path / "state" / "locks" / "probe-1.lock").symlink_to(victim)
    with pytest.raises(BoardflashError, match="no lock can be made here"):
        ProbeLock("1", folder=tmp_path / "state")
    journal = Journal(tmp_path / "state", "ab" * 12, "qspi", "20ba18")
    journal.folder.mkdir(parents=True)
    (journal.folder / "90000000.new").symlink_to(victim)
    (journal.folder / "90000000.kept").symlink_to(victim)
    journal.keep(0x9000_0000, (Preserved(0x9000_0000, b"kept"),))
    journal.begin(0x9000_0000)
    assert journal.entry(0x9000_0000)[0].data == b"kept"
    assert victim.read_text() == "precious"


def test_a_lock_that_fails_for_another_reason_is_not_in_use_by_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_file: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", no_locks)
    with pytest.raises(BoardflashError) as caught:
        ProbeLock("1", folder=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/locks/probe-1.lock: no lock can be taken here (No locks available); set"
        " BOARDFLASH_STATE_DIR to a folder on a local disk"
    )


def test_control_characters_of_names_do_not_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "art\x1b[31m\x07.bin"
    Path(name).write_bytes(b"\x7fELF broken")
    assert main(["split", name, "--board", "stm32f746g-disco", "--output", "out"]) == ExitCode.BAD_INPUT
    assert capsys.readouterr().err.startswith("boardflash: art?[31m?.bin: ")
    Path(name).write_bytes(b"art")
    assert main(["split", f"{name}@0x90000000", "--board", "stm32f746g-disco", "--output", "out\x1b[1m"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "out?[1m" in said
