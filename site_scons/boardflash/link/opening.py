"""Opening a J-Link: what may be said to the DLL when, by which way the probe is selected, and its refusals.

SEGGER knowledge base, "J-Link Command Strings". From V9.14 on several of them open some probe by themselves
if none is open; selecting one by its serial number then fails (square/pylink #254, #262, PR #259). So only
two go before OpenEx. `SilentUpdateFW`, which pylink's own `disable_dialog_boxes` sends, would update the
probe's firmware unasked, and `InhibitConnectRetries` would take away the DLL's own connect under reset;
neither is here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pylink

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.calls import FAILURES, Calls, told_if_slow
from boardflash.link.pylink_lock import LockedJLink, who_has_it
from boardflash.link.selector import Selector

TEXT_SIZE = 336


@dataclass(frozen=True)
class CommandString:
    text: str
    vital: str = ""
    """What goes wrong without it. Empty: it only keeps windows away, and a DLL that lacks it may go on."""


BEFORE_OPEN = (
    CommandString("DisableAutoUpdateFW", "the probe's firmware could be replaced unasked"),
    CommandString("SuppressInfoUpdateFW"),
)
AFTER_OPEN = (
    CommandString("SetBatchMode = 1"),
    CommandString("HideDeviceSelection = 1"),
    CommandString("SuppressControlPanel"),
    CommandString("DisableInfoWinFlashDL"),
    CommandString("DisableInfoWinFlashBPs"),
    # The default is to start the core when the probe is closed (UM08001 7.14.1.70), for each session.
    CommandString("SetRestartOnClose = 0", "a half-written application could be started"),
    CommandString("DisableFlashBPs"),
    CommandString("DisableFlashDL"),
)
# The DLL may answer reads from a copy that it made earlier; each read has to reach the target.
AFTER_CONNECT = (CommandString("SetEnableMemCache = 0", "what is read could be an old copy"),)


def send(dll: Any, calls: Calls, command: CommandString) -> None:
    """A command string, its text and its code looked at: pylink looks at the text alone."""
    buffer = ctypes.create_string_buffer(TEXT_SIZE)
    what = f'the J-Link command "{command.text}"'
    code = calls.call(what, lambda: dll.JLINKARM_ExecCommand(command.text.encode(), buffer, TEXT_SIZE))
    text = buffer.value.decode(errors="replace").strip()
    if not text and not code:
        return
    refusal = f"{what} is refused: {text or f'answer {code}'}"
    if not command.vital:
        calls.note(refusal)
        return
    raise calls.error(
        f"{refusal}; without it {command.vital}. Use another version of the J-Link software"
        " (BOARDFLASH_JLINK_DLL names one)",
        ExitCode.NO_PROBE,
    )


def open_probe(
    jlink: LockedJLink, dll: Any, calls: Calls, probe: Selector, tell: Callable[[str], None]
) -> int:
    """Open that probe; its serial number. Nothing is connected to a target yet."""
    if calls.call("asking whether the DLL is open", dll.JLINKARM_IsOpen):
        raise calls.error(
            "this process has a J-Link open already; the J-Link software serves one at a time in a process",
            ExitCode.PROBE_BUSY,
        )
    for command in BEFORE_OPEN:
        send(dll, calls, command)
    if calls.call("asking whether the DLL is open", dll.JLINKARM_IsOpen):
        # One of them has opened some probe, as others do from V9.14 on.
        calls.call("closing a probe that the DLL opened by itself", dll.JLINKARM_Close)
    slow = (
        f"{calls.where}: still opening; the J-Link software may show a window that waits for an answer"
        " (terms of use, licence)"
    )
    try:
        with told_if_slow(slow, tell):
            _open(jlink, probe)
    except FAILURES as failure:
        raise _cannot_open(jlink, calls, probe, failure) from failure
    serial = int(calls.call("reading the probe's serial number", lambda: jlink.serial_number)) & 0xFFFFFFFF
    if probe.kind in ("serial", "tunnel") and serial != int(probe.value):
        raise calls.error(f"the J-Link software has opened {serial} instead", ExitCode.NO_PROBE)
    for command in AFTER_OPEN:
        send(dll, calls, command)
    return serial


def _open(jlink: LockedJLink, probe: Selector) -> None:
    if probe.kind == "ip":
        jlink.open(ip_addr=f"{probe.value}:{probe.port}")
    elif probe.kind == "tunnel":
        jlink.open_tunnel(int(probe.value), probe.port)
    else:
        jlink.open(serial_no=int(probe.value))


def _cannot_open(jlink: LockedJLink, calls: Calls, probe: Selector, failure: Exception) -> BoardflashError:
    if isinstance(failure, pylink.errors.JLinkException) and "already open" in str(failure):
        return calls.error(who_has_it(int(probe.value), jlink.lock_folder), ExitCode.PROBE_BUSY)
    return calls.error(f"cannot be opened: {failure}", ExitCode.NO_PROBE)
