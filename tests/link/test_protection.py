"""Read-out protection at the connection, and a DLL that crashes: one line each, about what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pylink
import pytest
from fake_target import RAM, Connect, FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import probes
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_wire import LinkFaults
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

SETTINGS: dict[str, Any] = {
    "jlink_device": "STM32F746NG",
    "interface": "swd",
    "speed_khz": 4000,
    "under_reset": False,
}
OPTCR_LEVEL_1, OPTCR_LEVEL_2 = 0xC0FF_55FD, 0xC0FF_CCFD
YES, NO = 1, 2


def open_with(optcr: int, **more: Any) -> Any:
    choice = probes.SimulationChoice(faults={"option_bytes.optcr": hex(optcr)})
    return probes.open_link(
        "sim:42", board_name="stm32f746g-disco", simulation=choice, **{**SETTINGS, **more}
    )


def connected_by_pylink(answer: Callable[[bytes, bytes, int], int]) -> tuple[SimulatedBoard, bool]:
    state = BoardState.in_memory()
    state.option_bytes = {"optcr": OPTCR_LEVEL_1}
    board = SimulatedBoard(load_twin("stm32f746g-disco"), state)
    library = SimulatedJLink({1: board})
    jlink = pylink.JLink(lib=library, log=str, detailed_log=str, error=str, warn=str, unsecure_hook=answer)
    jlink.open(serial_no=1)
    jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
    try:
        jlink.connect("STM32F746NG", speed=4000)
    except pylink.errors.JLinkException:
        return board, False
    return board, True


def test_the_library_asks_and_a_no_ends_the_connection() -> None:
    asked: list[tuple[bytes, int]] = []
    board, connected = connected_by_pylink(lambda _title, text, flags: asked.append((text, flags)) or NO)
    assert not connected
    assert asked and b"will erase" in asked[0][0]
    assert asked[0][1] & NO
    assert board.violations == []


def test_the_library_touches_the_option_bytes_after_a_yes() -> None:
    board, _ = connected_by_pylink(lambda *_: YES)
    assert [violation.rule for violation in board.violations] == ["option_bytes_touched"]


def test_a_protected_device_is_told_as_such_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    boards: list[SimulatedBoard] = []
    monkeypatch.setattr(
        "boardflash.sim.probe.SimulatedBoard",
        lambda *args: boards.append(SimulatedBoard(*args)) or boards[-1],
    )
    with pytest.raises(BoardflashError) as caught:
        open_with(OPTCR_LEVEL_1)
    serial = "J-Link 42"
    assert str(caught.value) == (
        f"{serial}: read-out protection of the STM32F746NG is on: the flash can't be read or written until it"
        " is lifted, which erases the device; boardflash never does that"
    )
    assert caught.value.code == ExitCode.WRONG_DEVICE
    assert boards[0].violations == []
    with pytest.raises(BoardflashError, match="read-out protection"):
        open_with(OPTCR_LEVEL_1)  # no lock is left


def test_level_2_has_no_debug_port() -> None:
    with pytest.raises(
        BoardflashError, match=r"connecting to STM32F746NG at 4000 kHz failed: Could not find"
    ):
        open_with(OPTCR_LEVEL_2)


def test_a_protected_device_replays_from_its_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with pytest.raises(BoardflashError, match="read-out protection") as recorded:
        open_with(OPTCR_LEVEL_1, trace=path)
    with pytest.raises(BoardflashError) as again:
        probes.open_replay(path, **SETTINGS)
    assert str(again.value) == str(recorded.value)


def session(connect: Connect, faults: LinkFaults) -> int:
    """A bit of everything; how many calls it made is found by letting each of them crash."""
    with connect(faults=faults) as link:
        link.reset_and_halt()
        link.write_memory(RAM, bytes(64))
        link.read_memory(RAM, 64)
        link.write_register(15, RAM)
        link.read_register(15)
        link.go()
        link.is_halted()
        link.halt()
        assert link.product and link.firmware and link.dll_version and link.speed_khz and link.supply_mv()
        link.reset_and_run()
    return 0


def test_a_dll_that_crashes_is_one_line_whatever_the_call(connect: Connect) -> None:
    told, passed = [], []
    for call in range(1, 80):
        try:
            session(connect, LinkFaults(dll_crash_at_call=call))
        except BoardflashError as error:
            told.append(str(error))
        else:
            passed.append(call)
    assert passed[0] == 1  # its version, which is not worth a session
    assert passed[1:] == list(range(len(told) + 2, 80))  # there are no more calls than these
    assert len(told) > 40
    assert all("access violation" in line and line.startswith("J-Link ") for line in told), told
    assert any("connecting to STM32F746NG at 4000 kHz failed: exception: access violation" in t for t in told)
    assert any("cannot be opened: exception: access violation" in t for t in told)


def test_a_dll_that_crashes_while_it_lists_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in range(1, 7):
        library = SimulatedJLink({1: FakeTarget()}, faults=LinkFaults(dll_crash_at_call=call))
        monkeypatch.setattr(probes, "load_dll", lambda library=library: library)
        with pytest.raises(BoardflashError) as caught:
            probes.list_probes()
        assert str(caught.value) == (
            "PROBE: the J-Link DLL cannot list its probes: exception: access violation reading "
            "0x0000000000000018"
        )
