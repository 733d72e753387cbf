"""Opening a J-Link as DLLs of different ages want it: what may be said when, and what a refusal means."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pylink
import pytest
from fake_target import FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link import calls
from boardflash.link.jlink import Link, LinkSettings
from boardflash.link.selector import Selector
from boardflash.sim.jlink import BoardTime, SimulatedJLink
from boardflash.sim.jlink_commands import DllOptions
from boardflash.sim.jlink_wire import LinkFaults

FIRST, SECOND = 111, 222
SETTINGS = LinkSettings("STM32F746NG")
OPENERS = ("HideDeviceSelection = 1", "DisableInfoWinFlashDL", "DisableInfoWinFlashBPs")


def bench(version: int = 92400, **more: Any) -> tuple[SimulatedJLink, dict[int, FakeTarget]]:
    """Two boards on a DLL of that version."""
    targets = {FIRST: FakeTarget(supply_mv=3300), SECOND: FakeTarget(supply_mv=1800)}
    options = DllOptions(version, **{name: more.pop(name) for name in ("lacks", "mute") if name in more})
    return SimulatedJLink(targets, options=options, **more), targets


def opened(library: SimulatedJLink, target: FakeTarget, serial: int = SECOND, **more: Any) -> Link:
    return Link(
        library, Selector("serial", str(serial)), SETTINGS, timebase=BoardTime(target), simulated=True, **more
    )


def sent(monkeypatch: pytest.MonkeyPatch, library: SimulatedJLink) -> list[str]:
    """The calls that open and close, and the command strings between them, in order."""
    seen: list[str] = []
    exports = library.dll()

    def watch(name: str) -> None:
        export = getattr(exports, name)

        def call(*args: Any) -> Any:
            seen.append(
                args[0].decode() if name == "JLINKARM_ExecCommand" else name.removeprefix("JLINKARM_")
            )
            return export(*args)

        call.restype = None  # type: ignore[attr-defined]
        monkeypatch.setattr(exports, name, call)

    for name in ("ExecCommand", "EMU_SelectByUSBSN", "SelectUSB", "OpenEx", "Connect", "Close"):
        watch(f"JLINKARM_{name}")
    return seen


# The library's rules


@pytest.mark.parametrize("command", OPENERS)
@pytest.mark.parametrize(("version", "opens"), [(91400, True), (92400, True), (91200, False), (63008, False)])
def test_a_command_string_before_open_takes_the_first_probe(command: str, version: int, opens: bool) -> None:
    library, _ = bench(version)
    jlink = pylink.JLink(lib=library, error=str, warn=str)
    jlink.exec_command(command)
    assert jlink.opened() == opens
    if opens:
        assert jlink.serial_number == FIRST
        with pytest.raises(pylink.errors.JLinkException, match="No emulator with serial number 222 found"):
            jlink.open(serial_no=SECOND)
        library.dll().JLINKARM_Close()
    jlink.open(serial_no=SECOND)
    assert jlink.serial_number == SECOND
    jlink.close()


@pytest.mark.parametrize("command", ["DisableAutoUpdateFW", "SuppressInfoUpdateFW"])
def test_two_command_strings_may_come_before_open(command: str) -> None:
    library, _ = bench()
    pylink.JLink(lib=library).exec_command(command)
    assert library.dll().JLINKARM_IsOpen() == 0


@pytest.mark.parametrize("mute", [False, True])
def test_an_unknown_string_is_answered_with_1(mute: bool) -> None:
    import ctypes

    library, _ = bench(mute=mute, lacks=frozenset({"SetBatchMode"}))
    text = ctypes.create_string_buffer(64)
    assert library.dll().JLINKARM_ExecCommand(b"SetBatchMode = 1", text, 64) == 1
    assert text.value == (b"" if mute else b"ERROR: Unknown command")


# Our way of opening


@pytest.mark.parametrize("version", [63008, 79600, 91200, 91400, 92400])
def test_the_probe_that_was_asked_for_is_opened_by_every_dll(version: int) -> None:
    library, targets = bench(version)
    with opened(library, targets[SECOND]) as link:
        assert (link.serial, link.supply_mv()) == (str(SECOND), 1800)


def test_what_is_sent_in_which_order(monkeypatch: pytest.MonkeyPatch) -> None:
    library, targets = bench()
    seen = sent(monkeypatch, library)
    opened(library, targets[SECOND]).close()
    assert seen == [
        "DisableAutoUpdateFW",
        "SuppressInfoUpdateFW",
        "EMU_SelectByUSBSN",
        "OpenEx",
        "SetBatchMode = 1",
        "HideDeviceSelection = 1",
        "SuppressControlPanel",
        "DisableInfoWinFlashDL",
        "DisableInfoWinFlashBPs",
        "SetRestartOnClose = 0",
        "DisableFlashBPs",
        "DisableFlashDL",
        "Device = STM32F746NG",
        "SetEnableMemCache = 0",
        "Close",
    ]


def test_a_probe_that_the_dll_opened_by_itself_is_closed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later DLL may do at one of the two strings that are safe today."""
    monkeypatch.setattr("boardflash.sim.jlink_commands.OPENS_A_PROBE", ("disableautoupdatefw",))
    library, targets = bench()
    with opened(library, targets[SECOND]) as link:
        assert link.serial == str(SECOND)


def test_another_probe_than_the_one_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    library, targets = bench()
    monkeypatch.setattr(library.dll(), "JLINKARM_GetSN", lambda: FIRST)
    with pytest.raises(BoardflashError) as caught:
        opened(library, targets[SECOND])
    assert str(caught.value) == "J-Link 222: the J-Link software has opened 111 instead"
    assert caught.value.code == ExitCode.NO_PROBE
    assert library.dll().JLINKARM_IsOpen() == 0


def test_a_session_of_the_same_process_is_left_alone() -> None:
    library, targets = bench()
    with opened(library, targets[SECOND]) as link:
        with pytest.raises(BoardflashError) as caught:
            opened(library, targets[FIRST], FIRST)
        assert str(caught.value) == (
            "J-Link 111: this process has a J-Link open already; the J-Link software serves one at a time"
            " in a process"
        )
        assert caught.value.code == ExitCode.PROBE_BUSY
        assert link.supply_mv() == 1800


COSMETIC = ("SuppressInfoUpdateFW", "SetBatchMode", "HideDeviceSelection", "SuppressControlPanel")
COSMETIC += ("DisableInfoWinFlashDL", "DisableInfoWinFlashBPs", "DisableFlashBPs", "DisableFlashDL")
VITAL = {
    "DisableAutoUpdateFW": ("DisableAutoUpdateFW", "the probe's firmware could be replaced unasked"),
    "SetRestartOnClose": ("SetRestartOnClose = 0", "a half-written application could be started"),
    "SetEnableMemCache": ("SetEnableMemCache = 0", "what is read could be an old copy"),
}


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("name", COSMETIC)
def test_an_old_dll_may_lack_what_keeps_windows_away(name: str, mute: bool) -> None:
    library, targets = bench(63008, lacks=frozenset({name}), mute=mute)
    with opened(library, targets[SECOND]) as link:
        assert link.read_u32(0x2000_0000) == 0
        (note,) = link.messages
        assert note.startswith(f'the J-Link command "{name}')
        assert note.endswith(" is refused: answer 1" if mute else " is refused: ERROR: Unknown command")


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("name", list(VITAL))
def test_a_dll_that_refuses_what_is_vital_is_not_worked_with(name: str, mute: bool) -> None:
    library, targets = bench(lacks=frozenset({name}), mute=mute)
    command, danger = VITAL[name]
    with pytest.raises(BoardflashError) as caught:
        opened(library, targets[SECOND])
    answer = "answer 1" if mute else "ERROR: Unknown command"
    assert str(caught.value) == (
        f'J-Link 222: the J-Link command "{command}" is refused: {answer}; without it {danger}.'
        " Use another version of the J-Link software (BOARDFLASH_JLINK_DLL names one)"
    )
    assert caught.value.code == ExitCode.NO_PROBE
    assert library.dll().JLINKARM_IsOpen() == 0


# A window that waits for an answer


def test_a_window_that_blocks_the_opening_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "WINDOW_NOTICE_S", 0.05)
    library, targets = bench(faults=LinkFaults(licence_window_ms=400))
    heard: list[tuple[float, str]] = []
    began = time.monotonic()
    tell: Callable[[str], None] = lambda line: heard.append((time.monotonic() - began, line))  # noqa: E731
    with opened(library, targets[SECOND], tell=tell):
        took = time.monotonic() - began
    ((after, line),) = heard
    assert 0.05 <= after < 0.35 < 0.4 <= took  # while it blocks, not behind it
    assert line == (
        "J-Link 222: still opening; the J-Link software may show a window that waits for an answer"
        " (terms of use, licence)"
    )


def test_a_window_is_not_spoken_of_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "WINDOW_NOTICE_S", 0.3)
    library, targets = bench()
    heard: list[str] = []
    with opened(library, targets[SECOND], tell=heard.append):
        time.sleep(0.5)
    assert heard == []


def test_the_notice_comes_after_two_seconds() -> None:
    assert calls.WINDOW_NOTICE_S == 2.0
