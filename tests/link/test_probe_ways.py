"""A probe in a USB port, on the network, through a tunnel: opened, locked, traced and replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from fake_target import RAM, FakeTarget

from boardflash.cli import main
from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import probes, pylink_lock
from boardflash.link.jlink import Link
from boardflash.link.lock import ProbeLock
from boardflash.sim.jlink import SimulatedJLink

SERIAL = 801012345
SETTINGS: dict[str, Any] = {
    "board_name": "stm32f746g-disco",
    "jlink_device": "STM32F746NG",
    "interface": "swd",
    "speed_khz": 4000,
    "under_reset": False,
}
NETWORK = {
    "lab-3:19020": SERIAL,
    "10.0.0.7:19021": SERIAL,
    f"tunnel:{SERIAL}:19020": SERIAL,
    "tunnel:5:19020": 6,
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two probes: one on USB in port 1-2.3 that is found under other addresses too."""
    library = SimulatedJLink({SERIAL: FakeTarget(1900), 6: FakeTarget(3300)}, network=NETWORK)
    monkeypatch.setattr(probes, "load_dll", lambda: library)
    folder = tmp_path / "devices" / "1-2.3"
    folder.mkdir(parents=True)
    (folder / "idVendor").write_text("1366\n")
    (folder / "serial").write_text(f"000{SERIAL}\n")
    monkeypatch.setattr("boardflash.link.usbpath.DEVICES", tmp_path / "devices")


def opened(selector: str, **more: Any) -> Link:
    return probes.open_link(selector, **SETTINGS, **more)


@pytest.mark.parametrize(
    ("selector", "lock"),
    [
        (f"{SERIAL}", f"probe-{SERIAL}.lock"),
        ("usb:1-2.3", f"probe-{SERIAL}.lock"),
        (f"tunnel:{SERIAL}", f"probe-{SERIAL}.lock"),
        ("ip:lab-3", "probe-ip-lab-3-19020.lock"),
        ("ip:10.0.0.7:19021", "probe-ip-10.0.0.7-19021.lock"),
    ],
)
def test_each_way_leads_to_the_probe(selector: str, lock: str, own_state: Path) -> None:
    with opened(selector) as link:
        assert (link.serial, link.supply_mv()) == (str(SERIAL), 1900)
        held = [path.name for path in (own_state / "locks").iterdir() if path.stat().st_size]
        assert held == [lock]


def test_a_tunnel_and_a_cable_to_one_probe_exclude_each_other() -> None:
    with opened(f"tunnel:{SERIAL}"), pytest.raises(BoardflashError, match=r"is in use by process") as caught:
        opened("usb:1-2.3")
    assert caught.value.code == ExitCode.PROBE_BUSY


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (
            "ip:lab-4",
            "J-Link ip:lab-4:19020: cannot be opened: Could not connect to emulator at lab-4:19020.",
        ),
        ("tunnel:7", "J-Link tunnel:7: cannot be opened: Could not connect to emulator at tunnel:7:19020."),
        ("tunnel:5", "J-Link tunnel:5: the J-Link software has opened 6 instead"),
    ],
)
def test_nobody_at_that_address(selector: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        opened(selector)
    assert str(caught.value) == message
    assert caught.value.code == ExitCode.NO_PROBE


@pytest.mark.parametrize("selector", ["ip:lab-3", f"tunnel:{SERIAL}", "usb:1-2.3"])
def test_a_session_replays_by_the_way_it_was_made(
    selector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def session(link: Link) -> Any:
        with link:
            link.write_u32(RAM, 7)
            return link.serial, link.read_u32(RAM), link.supply_mv()

    path = tmp_path / "trace.jsonl"
    recorded = session(opened(selector, trace=path))
    monkeypatch.setattr(probes, "load_dll", lambda: pytest.fail("a replay needs no DLL"))
    settings = {name: value for name, value in SETTINGS.items() if name != "board_name"}
    assert session(probes.open_replay(path, **settings)) == recorded


def test_the_trace_of_the_command_line_replays_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the command line tells about probe and software is no call of the session."""
    path = tmp_path / "trace.jsonl"
    words = ["reset", "--halt", "--board", "stm32f746g-disco", "--probe", "ip:lab-3", "--trace", str(path)]
    assert main(words) == 0
    assert f"J-Link {SERIAL}, J-Link software V9.24\n" in capsys.readouterr().err
    settings = {name: value for name, value in SETTINGS.items() if name != "board_name"}
    with probes.open_replay(path, **settings) as link:
        assert link.software == "J-Link software V9.24"
        link.reset_and_halt()


# pylink's lock


def test_a_simulated_probe_leaves_the_temporary_folder_alone(tmp_path: Path, own_state: Path) -> None:
    """Another user's lock of the same serial number there is none of its business."""
    theirs = tmp_path / ".pylink-usb-42.lck"
    theirs.write_text(str(os.getpid()))
    with opened("sim:42"):
        assert (own_state / "locks" / ".pylink-usb-42.lck").read_text().split() == [str(os.getpid())]
    assert theirs.read_text() == str(os.getpid())
    assert not (own_state / "locks" / ".pylink-usb-42.lck").exists()


def test_what_a_killed_process_left_of_a_simulated_probe_is_in_nobodys_way(own_state: Path) -> None:
    """Its process ID may by now be that of a living process: this one."""
    left = own_state / "locks" / ".pylink-usb-42.lck"
    left.parent.mkdir(parents=True)
    left.write_text(str(os.getpid()))
    opened("sim:42").close()
    assert not left.exists()


def test_a_real_probe_takes_the_lock_that_others_look_at(tmp_path: Path) -> None:
    lock = tmp_path / f".pylink-usb-{SERIAL}.lck"
    with opened(str(SERIAL)):
        assert lock.read_text().split() == [str(os.getpid())]
    assert not lock.exists()


def test_a_lock_is_given_back_when_the_probe_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dll = probes.load_dll().dll()
    good = dll.JLINKARM_OpenEx
    text = dll._JLINKARM_OpenEx = lambda *_args: b"Cannot connect to J-Link via USB."
    text.restype = None  # type: ignore[attr-defined]
    monkeypatch.setattr(dll, "JLINKARM_OpenEx", text)
    with pytest.raises(BoardflashError, match="cannot be opened: Cannot connect to J-Link via USB") as caught:
        opened(str(SERIAL))
    assert not (tmp_path / f".pylink-usb-{SERIAL}.lck").exists()
    assert caught.value.code == ExitCode.NO_PROBE
    monkeypatch.setattr(dll, "JLINKARM_OpenEx", good)
    opened(str(SERIAL)).close()


def dead_pid() -> int:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / f".pylink-usb-{SERIAL}.lck"
    lock.write_text(f"{dead_pid()}\n")
    opened(str(SERIAL)).close()
    assert not lock.exists()


def busy(lock: Path) -> str:
    with pytest.raises(BoardflashError) as caught:
        opened(str(SERIAL))
    assert caught.value.code == ExitCode.PROBE_BUSY
    ProbeLock(str(SERIAL)).release()  # ours is not left behind
    return str(caught.value)


def somebody_elses(monkeypatch: pytest.MonkeyPatch, lock: Path) -> None:
    """In a temporary folder with the sticky bit nobody removes another user's file."""
    remove = os.remove

    def refuse(path: Any) -> None:
        if str(path) == str(lock):
            raise PermissionError(1, "Operation not permitted", str(path))
        remove(path)

    monkeypatch.setattr("pylink.jlock.os.remove", refuse)
    monkeypatch.setattr(pylink_lock, "_owner", lambda _path: "anna")


def test_the_lock_of_a_living_process_names_it(tmp_path: Path) -> None:
    lock = tmp_path / f".pylink-usb-{SERIAL}.lck"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lock.write_text(f"{other.pid}\n")
        name = psutil.Process(other.pid).name()
        assert busy(lock) == (
            f"J-Link {SERIAL}: process {other.pid} ({name}, user {lock.owner()}), which uses pylink, has it; "
            f"end that, or delete {lock} if that process has nothing to do with a J-Link"
        )
        other.communicate(b"\n")


def test_the_lock_of_another_users_dead_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / f".pylink-usb-{SERIAL}.lck"
    pid = dead_pid()
    lock.write_text(f"{pid}\n")
    somebody_elses(monkeypatch, lock)
    assert busy(lock) == (
        f"J-Link {SERIAL}: {lock} was left by process {pid}, which has ended, but the file is anna's"
        " and cannot be removed: ask anna to delete it"
    )


def test_a_lock_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / f".pylink-usb-{SERIAL}.lck"
    lock.mkdir()  # as good as a file without read permission, and root cannot read it either
    monkeypatch.setattr(pylink_lock, "_owner", lambda _path: "anna")
    assert busy(lock) == (
        f"J-Link {SERIAL}: {lock} says that another program has it; the file is anna's and cannot be read:"
        " ask anna, or delete it if no such program runs"
    )
