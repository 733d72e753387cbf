"""Command strings of the simulated J-Link DLL: which it knows, what they do, and when they may come.

SEGGER knowledge base, "J-Link Command Strings"; UM08001 7.14.1.70 (SetRestartOnClose). An unknown string is
answered with 1 and a text (log of V8.10, DAMIAN-CHEN, FSP_ibus_demo: "ERROR: Unknown command").
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boardflash.sim.jlink import Probe

UNKNOWN_COMMAND = 1

# From V9.14 on (9.12 does not) these open the first probe by themselves when none is open. Selecting one by
# serial number then fails. square/pylink #254, #262 and PR #259 (9.14a to 9.24); pyocd PR #1927.
OPENS_A_PROBE_SINCE = 91400
OPENS_A_PROBE = ("hidedeviceselection", "disableinfowinflashdl", "disableinfowinflashbps")

# What the simulation accepts and need not act on.
QUIET = frozenset(
    name.lower()
    for name in (
        "DisableAutoUpdateFW",
        "DisableFlashBPs",
        "DisableFlashDL",
        "DisableInfoWinFlashBPs",
        "DisableInfoWinFlashDL",
        "EnableAutoUpdateFW",
        "EnableInfoWinFlashBPs",
        "EnableInfoWinFlashDL",
        "EnableRemarks",
        "HideDeviceSelection",
        "InhibitConnectRetries",
        "SetBatchMode",
        "SilentUpdateFW",
        "SuppressControlPanel",
        "SuppressInfoUpdateFW",
    )
)


@dataclass(frozen=True)
class DllOptions:
    """Which of SEGGER's DLLs it is."""

    version: int = 92400  # as GetDLLVersion has it: 9.24
    lacks: frozenset[str] = frozenset()
    """Names of command strings that came later than this version."""
    mute: bool = False
    """Whether an unknown string is answered with its code alone, the buffer for the text left empty."""


class Commands:
    """ExecCommand, and what a session has set with it."""

    def __init__(self, probe: Probe, options: DllOptions) -> None:
        self._probe = probe
        self._options = options
        self._lacks = {name.lower() for name in options.lacks}
        self.restart_on_close = True
        self.device = ""

    def new_session(self) -> None:
        """Settings last until Close."""
        self.restart_on_close = True
        self.device = ""

    def JLINKARM_ExecCommand(self, command: bytes, error: Any, size: int) -> int:  # noqa: N802
        name, _, value = command.decode().replace("=", " ", 1).strip().partition(" ")
        value, key = value.strip(), name.lower()
        if key in self._lacks:
            return self._unknown(error, size)
        if key in OPENS_A_PROBE and self._options.version >= OPENS_A_PROBE_SINCE:
            self._probe.open_the_first()
        if key == "device":
            return self._set_device(value, error, size)
        if key == "setenablememcache":
            self._probe.memory.cache_enabled = value not in ("0", "")
            self._probe.memory.forget()
        elif key == "setrestartonclose":
            self.restart_on_close = value not in ("0", "")
        elif key not in QUIET:
            return self._unknown(error, size)
        return 0

    def _set_device(self, name: str, error: Any, size: int) -> int:
        if not self._probe.knows_device(name):
            put_text(error, size, f"Unknown device: {name}")
            return -1
        self.device = name
        # The DLL connects by itself here; what goes wrong is told by Connect().
        self._probe.try_to_connect()
        return 0

    def _unknown(self, error: Any, size: int) -> int:
        if not self._options.mute:
            put_text(error, size, "ERROR: Unknown command")
        return UNKNOWN_COMMAND


def put_text(buffer: Any, size: int, text: str) -> int:
    raw = text.encode()[: size - 1] + b"\0"
    ctypes.memmove(buffer, raw, len(raw))
    return len(raw) - 1
