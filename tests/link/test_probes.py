"""Which probe is taken, and the line that is said when none can be; nothing falls back to the simulation."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
from fake_target import FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import probes
from boardflash.link.jlink import Link
from boardflash.sim.jlink import BoardTime, SimulatedJLink

DISCO = {
    "board_name": "stm32f746g-disco",
    "jlink_device": "STM32F746NG",
    "interface": "swd",
    "speed_khz": 4000,
    "under_reset": False,
}


def attach(monkeypatch: pytest.MonkeyPatch, *serials: int) -> None:
    """A machine with a J-Link DLL and these probes."""
    library = SimulatedJLink({serial: FakeTarget() for serial in serials})
    monkeypatch.setattr(probes, "load_dll", lambda: library)


def simulate(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the simulation; gives what it was asked for."""
    asked: list[Any] = []

    def simulated_probe(twin: str, serial: int, faults: Mapping[str, str]) -> Any:
        target = FakeTarget()
        asked.append((twin, serial, dict(faults)))
        return SimpleNamespace(
            library=SimulatedJLink({serial: target}),
            time=BoardTime(target),
            close=lambda: asked.append("kept"),
        )

    module = ModuleType("boardflash.sim.probe")
    module.simulated_probe = simulated_probe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "boardflash.sim.probe", module)
    return asked


def refused(selector: str | None) -> BoardflashError:
    with pytest.raises(BoardflashError) as caught:
        probes.open_link(selector, **DISCO)  # type: ignore[arg-type]
    return caught.value


def open_disco(selector: str | None, **more: Any) -> Link:
    return probes.open_link(selector, **DISCO, **more)  # type: ignore[arg-type]


def test_without_a_dll_one_line_tells_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pylink.library.ctypes_util.find_library", lambda _name: None, raising=True)
    for where in ("linux", "darwin", "windows"):
        monkeypatch.setattr(
            f"pylink.library.Library.find_library_{where}", classmethod(lambda _cls: iter(()))
        )
    for selector in (None, "", "801012345"):
        error = refused(selector)
        assert str(error) == (
            "PROBE: no J-Link DLL found; install SEGGER's J-Link software to use a J-Link, "
            "or PROBE=sim tries the simulated board"
        )
        assert error.code == ExitCode.NO_PROBE
    with pytest.raises(BoardflashError, match="no J-Link DLL found"):
        probes.list_probes()


def test_no_probe_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch)
    error = refused(None)
    assert str(error) == ("PROBE: no J-Link is attached; connect one, or PROBE=sim tries the simulated board")
    assert error.code == ExitCode.NO_PROBE
    assert probes.list_probes() == ()


def test_the_only_probe_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, 801012345)
    with open_disco(None) as link:
        assert link.serial == "801012345"
        assert not link.simulated
        assert link.read_memory(0x2000_0000, 4) == bytes(4)


def test_several_probes_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, 801012345, 600100200)
    error = refused(None)
    assert str(error) == (
        "PROBE: 2 J-Links are attached: 600100200 (J-Link (simulated), USB), "
        "801012345 (J-Link (simulated), USB); name one with PROBE=SERIAL, "
        "or PROBE=sim tries the simulated board"
    )
    assert error.code == ExitCode.NO_PROBE


def test_a_probe_is_taken_by_serial(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, 801012345, 600100200)
    for wanted in ("801012345", "000801012345", "600100200"):
        with open_disco(wanted) as link:
            assert link.serial == wanted.lstrip("0")


def test_an_unknown_serial_lists_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, 801012345)
    error = refused("17")
    assert str(error) == (
        "PROBE=17: no J-Link has this serial number; attached: 801012345 (J-Link (simulated), USB), "
        "or PROBE=sim tries the simulated board"
    )
    assert error.code == ExitCode.NO_PROBE


def test_what_is_no_probe_is_refused_before_the_dll_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_asked() -> Any:
        raise AssertionError("the DLL was loaded")

    monkeypatch.setattr(probes, "load_dll", not_asked)
    error = refused("simulator")
    assert str(error) == (
        "PROBE=simulator: not a probe; give a J-Link's serial number, usb:PATH, ip:HOST, ip:HOST:PORT, "
        "tunnel:SERIAL, or sim, or sim:SERIAL for a simulated board"
    )
    assert error.code == ExitCode.NO_PROBE


def test_probes_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, 2, 1)
    assert [p.serial for p in probes.list_probes()] == ["1", "2"]
    assert probes.list_probes()[0] == probes.ProbeInfo("1", "J-Link (simulated)", "USB")


def test_sim_takes_the_boards_twin_and_its_own_serial(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = simulate(monkeypatch)
    with open_disco("sim") as link:
        assert link.simulated
        assert link.serial == probes.default_serial("stm32f746g-disco")
    assert asked == [("stm32f746g-disco", int(link.serial), {}), "kept"]


def test_sim_with_serial_twin_and_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = simulate(monkeypatch)
    choice = probes.SimulationChoice(twin="acme-panel", faults={"qpi": ""})
    with open_disco("sim:42", simulation=choice) as link:
        assert link.serial == "42"
    assert asked[0] == ("acme-panel", 42, {"qpi": ""})


def test_the_default_serial_depends_on_the_boards_name_alone() -> None:
    # Stated, because flash contents on disk are kept under it.
    assert probes.default_serial("stm32f746g-disco") == "991479673"
    assert probes.default_serial("a") != probes.default_serial("b")


@pytest.mark.parametrize("serial", ["bench", "0", "4294967296", "../x"])
def test_a_simulated_serial_is_a_number(serial: str) -> None:
    error = refused(f"sim:{serial}")
    assert str(error) == f"PROBE=sim:{serial}: a serial number is a decimal number, as a J-Link's is"
    assert error.code == ExitCode.NO_PROBE


def test_a_failed_open_gives_everything_back(monkeypatch: pytest.MonkeyPatch, own_state: Path) -> None:
    attach(monkeypatch, 801012345)
    with pytest.raises(BoardflashError, match="knows no device"):
        probes.open_link("801012345", **{**DISCO, "jlink_device": "NOPE"})  # type: ignore[arg-type]
    with open_disco("801012345") as link:  # neither pylink's lock nor ours is left
        assert link.serial == "801012345"


def test_a_probe_that_another_pylink_program_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attach(monkeypatch, 801012345)
    theirs = tmp_path / ".pylink-usb-801012345.lck"
    theirs.write_text(str(os.getpid()))
    error = refused("801012345")
    name, user = psutil.Process().name(), theirs.owner()
    assert str(error) == (
        f"J-Link 801012345: process {os.getpid()} ({name}, user {user}), which uses pylink, has it; "
        f"end that, or delete {theirs} if that process has nothing to do with a J-Link"
    )
    assert error.code == ExitCode.PROBE_BUSY


def test_a_trace_that_cannot_be_written_is_told_before_connecting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attach(monkeypatch, 801012345)
    (tmp_path / "file").write_text("")
    with pytest.raises(BoardflashError, match="the trace cannot be written"):
        open_disco(None, trace=tmp_path / "file" / "trace.jsonl")
