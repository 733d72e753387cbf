"""A simulated J-Link: an object with the functions of SEGGER's J-Link DLL, for `pylink.JLink(lib=...)`.

    library = SimulatedJLink({900000001: board})
    pylink.JLink(lib=library)

Names, arguments and results as pylink 2.0 uses them. Below stands a plain `Target`; several boards may
hang on one library, each with its serial number. As the DLL does, it answers reads of flash from a
copy that it made earlier, until "SetEnableMemCache = 0"; and it starts a halted core when it is closed,
until "SetRestartOnClose = 0" (UM08001 7.14.1.70; measured with V7.52a on a Cortex-M4).
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from boardflash.sim import jlink_protection as protection
from boardflash.sim.jlink_commands import Commands, DllOptions, put_text
from boardflash.sim.jlink_core import CoreControl
from boardflash.sim.jlink_memory import MemoryAccess
from boardflash.sim.jlink_wire import LinkCosts, LinkFaults, Wire
from boardflash.sim.target import Target

PRODUCT = "J-Link (simulated)"
FIRMWARE = "J-Link (simulated) compiled for boardflash"
HARDWARE_VERSION = 110000

UNSPECIFIED = -1
NO_PROBE = -256
LINK_LOST = -257
NOT_OPEN = -258
NO_SUPPLY = -259
NO_CPU = -261
NO_DEVICE = -273

HOST_USB = 1
INTERFACE_SWD = 1
SPEED_AUTO = 0
SPEED_ADAPTIVE = 0xFFFF
SPEED_DEFAULT_KHZ = 4000
SPEED_MAX_KHZ = 15000
SUPPLY_MIN_MV = 1200

CORTEX_M7 = 0x0E0100FF
# The DLL's device list has part numbers without package and temperature letters: STM32F746NG.
DEVICE_NAME = re.compile(r"STM32[A-Z][0-9A-Z]{3}[A-Zx][0-9A-Zx](_M[47])?")

# Asked by pylink before every call, how often depends on its version: faults do not count them.
QUESTIONS = ("JLINKARM_IsOpen", "JLINKARM_EMU_IsConnected", "JLINKARM_IsConnected")

BoardFactory = Callable[[], Target]
BoardOrFactory = Target | BoardFactory


class BoardTime:
    """A board's own clock, as `now` and `pause`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def now(self) -> float:
        return self._target.clock.seconds

    def pause(self, seconds: float) -> None:
        self._target.advance(round(seconds * 1e12))


class SimulatedJLink:
    """The library: `dll()` gives the object with the exports."""

    def __init__(
        self,
        boards: Mapping[int, BoardOrFactory],
        *,
        costs: LinkCosts | None = None,
        faults: LinkFaults | None = None,
        on_kill: Callable[[], None] | None = None,
        options: DllOptions | None = None,
        network: Mapping[str, int] | None = None,
    ) -> None:
        """`on_kill` is what `kill_at_call` does; it must not return. `network` has the serial numbers of the
        probes that are found at "HOST:PORT", or through SEGGER's tunnel at "tunnel:SERIAL:PORT"."""
        probe = Probe(boards, costs or LinkCosts(), faults or LinkFaults(), on_kill, options or DllOptions())
        probe.network = dict(network or {})
        self._exports = Exports(probe)

    def dll(self) -> Any:
        return self._exports


class Export:
    """One function of the library. Attributes can be set on it, as on those of ctypes (`restype`)."""

    def __init__(self, function: Callable[..., Any], probe: Probe) -> None:
        self._function = function
        self._probe = probe
        self.counts = function.__name__ not in QUESTIONS

    def __call__(self, *args: Any, **named: Any) -> Any:
        if self.counts:
            self._probe.count_call()
        return self._function(*args, **named)


class Exports:
    """The functions by name. One that the DLL has and this has not is an AttributeError."""

    def __init__(self, probe: Probe) -> None:
        for owner in (probe, probe.memory, probe.core, probe.commands):
            for name in dir(owner):
                if name.startswith("JLINK"):
                    setattr(self, name, Export(getattr(owner, name), probe))


class Probe:
    """The state of the DLL and of the one probe that it has open."""

    def __init__(
        self,
        boards: Mapping[int, BoardOrFactory],
        costs: LinkCosts,
        faults: LinkFaults,
        on_kill: Callable[[], None] | None,
        options: DllOptions,
    ) -> None:
        self.faults = faults
        self._options = options
        self.network: dict[str, int] = {}
        self._on_kill = on_kill
        self._unpowered = False  # the board
        self._boards = dict(boards)
        self._costs = costs
        self._selected: int | None = None
        self._open: int | None = None
        self._pulled = False  # the USB cable
        self.pulled_now = False  # by the call that is under way
        self._interface = 0
        self._devices = ["Unspecified"]  # index 0 means "unknown" to the caller
        self._keep: dict[str, Any] = {}  # strings that the caller holds pointers to
        self._error_out: Callable[[bytes], Any] | None = None
        self._warn_out: Callable[[bytes], Any] | None = None
        self._unsecure_hook: protection.Hook | None = None
        self._last_error = 0
        self._calls = 0
        self.connected = False
        self.wire: Wire | None = None
        self.memory = MemoryAccess(self)
        self.core = CoreControl(self)
        self.commands = Commands(self, options)

    # For the exports and the other halves

    def count_call(self) -> None:
        self._calls += 1
        self.pulled_now = self._calls == self.faults.unplug_at_call
        if self.pulled_now:
            self._pulled, self.connected = True, False
        if self._calls == self.faults.power_cut_at_call and self.wire is not None:
            self._cut_power(self.wire.target)
        if self._calls == self.faults.kill_at_call and self._on_kill is not None:
            self._on_kill()
        if self._calls == self.faults.dll_crash_at_call:
            raise OSError("exception: access violation reading 0x0000000000000018")

    def _cut_power(self, target: Target) -> None:
        """What the board was doing is left half done; what it has in RAM is gone."""
        self._unpowered, self.connected = True, False
        target.power_cycle()
        target.halt()

    def begin(self) -> int:
        """Start a call that talks to the target: 0, or the code to return at once."""
        if self._open is None:
            return self.fail(NOT_OPEN, "")
        if self.pulled_now:
            return self.fail(LINK_LOST, "Communication with the J-Link was lost.")
        if self._pulled:
            return self.fail(NO_PROBE, "")
        return 0 if self.connected else self._connect()

    def fail(self, code: int, text: str) -> int:
        self._last_error = code
        if text and self._error_out is not None:
            self._error_out(text.encode())
        return code

    def open_the_first(self) -> None:
        """What a command string that needs a probe does if none is open."""
        if self._open is None and self._boards:
            self.JLINKARM_SelectUSB(0)
            self.JLINKARM_OpenEx(None, None)

    def knows_device(self, name: str) -> bool:
        return DEVICE_NAME.fullmatch(name) is not None

    def try_to_connect(self) -> None:
        if self._open is not None and not self._pulled:
            self._connect()

    def link(self) -> Wire:
        assert self.wire is not None, "begin() has connected"
        return self.wire

    # Probes

    def JLINKARM_EMU_GetNumDevices(self) -> int:  # noqa: N802
        return len(self._boards)

    def JLINKARM_EMU_GetList(self, host: int, array: Any, count: int) -> int:  # noqa: N802
        if not host & HOST_USB:
            return 0
        for entry, serial in zip(array or (), sorted(self._boards)[:count], strict=False):
            entry.SerialNumber = serial
            entry.Connection = HOST_USB
            entry.acProduct = PRODUCT.encode()
        return len(self._boards)

    def JLINKARM_SelectUSB(self, port: int) -> int:  # noqa: N802
        self._selected = min(self._boards, default=None) if port == 0 else None
        return 0

    def JLINKARM_EMU_SelectByUSBSN(self, serial: int) -> int:  # noqa: N802
        if serial not in self._boards or self._open is not None:
            return -1
        self._selected = serial
        return sorted(self._boards).index(serial)

    def JLINKARM_SelectIP(self, host: bytes, port: int) -> int:  # noqa: N802
        serial = self.network.get(f"{host.decode()}:{port}")
        if serial is None:
            return 1
        self._selected = serial
        return 0

    def JLINKARM_OpenEx(self, _log: Any, _error: Any) -> Any:  # noqa: N802
        if self._open is not None:
            return None
        if self.faults.licence_window_ms:
            time.sleep(self.faults.licence_window_ms / 1000)  # somebody answers it in his own time
        if self._selected is None or self._pulled:
            return self._string("OpenEx", "Cannot connect to J-Link via USB.")
        board = self._boards[self._selected]
        target = board() if callable(board) else board
        self._boards[self._selected] = target
        self._open = self._selected
        self.wire = Wire(target, self._costs)
        self._last_error = 0
        self.memory.forget()
        self.memory.cache_enabled = True
        self.commands.new_session()
        with self.wire.round_trip(self._costs.open_us):
            return None

    def JLINKARM_Close(self) -> None:  # noqa: N802
        if self.connected and not self._pulled and self.commands.restart_on_close:
            self.core.let_go()
        self._open = None
        self.connected = False
        self._interface = 0

    def JLINKARM_IsOpen(self) -> int:  # noqa: N802
        return int(self._open is not None)

    def JLINKARM_EMU_IsConnected(self) -> int:  # noqa: N802
        return int(self._open is not None and not self._pulled)

    def JLINKARM_IsConnected(self) -> int:  # noqa: N802
        return int(self.connected)

    def JLINKARM_GetSN(self) -> int:  # noqa: N802
        return ctypes.c_int32(self._open).value if self._open is not None else -1

    def JLINKARM_GetDLLVersion(self) -> int:  # noqa: N802
        return self._options.version

    def JLINKARM_GetHardwareVersion(self) -> int:  # noqa: N802
        return HARDWARE_VERSION

    def JLINKARM_GetCompileDateTime(self) -> Any:  # noqa: N802
        return self._string("GetCompileDateTime", "simulated")

    def JLINKARM_GetFirmwareString(self, buffer: Any, size: int) -> int:  # noqa: N802
        return put_text(buffer, size, FIRMWARE if self._open is not None else "")

    def JLINKARM_EMU_GetProductName(self, buffer: Any, size: int) -> int:  # noqa: N802
        return put_text(buffer, size, PRODUCT if self._open is not None else "")

    def JLINKARM_GetHWStatus(self, reference: Any) -> int:  # noqa: N802
        if self._open is None or self._pulled:
            return 1
        status = reference._obj
        status.VTarget = self._supply_mv()
        status.tres = status.trst = 1
        return 0

    # Messages

    def JLINKARM_SetErrorOutHandler(self, handler: Any) -> None:  # noqa: N802
        self._error_out = handler

    def JLINKARM_SetWarnOutHandler(self, handler: Any) -> None:  # noqa: N802
        self._warn_out = handler

    def JLINKARM_EnableLog(self, _handler: Any) -> None:  # noqa: N802
        """The simulation keeps no log."""

    def JLINKARM_EnableLogCom(self, _handler: Any) -> None:  # noqa: N802
        """The simulation keeps no log."""

    def JLINK_SetHookUnsecureDialog(self, handler: Any) -> None:  # noqa: N802
        self._unsecure_hook = handler

    def JLINKARM_HasError(self) -> int:  # noqa: N802
        return self._last_error

    def JLINKARM_ClrError(self) -> None:  # noqa: N802
        self._last_error = 0

    # Connecting to the target

    def JLINKARM_TIF_GetAvailable(self, reference: Any) -> None:  # noqa: N802
        reference._obj.value = 1 << INTERFACE_SWD

    def JLINKARM_TIF_Select(self, interface: int) -> int:  # noqa: N802
        if self._open is None or interface != INTERFACE_SWD:
            return 1
        self._interface = interface
        return 0

    def JLINKARM_SetSpeed(self, khz: int) -> None:  # noqa: N802
        if self.wire is not None and khz != SPEED_ADAPTIVE:
            self.wire.speed_khz = min(khz, SPEED_MAX_KHZ) if khz != SPEED_AUTO else SPEED_DEFAULT_KHZ

    def JLINKARM_GetSpeed(self) -> int:  # noqa: N802
        return self.wire.speed_khz if self._open is not None and self.wire is not None else NOT_OPEN

    def JLINKARM_DEVICE_GetIndex(self, name: bytes) -> int:  # noqa: N802
        text = name.decode()
        if not self.knows_device(text):
            return -1
        if text not in self._devices:
            self._devices.append(text)
        return self._devices.index(text)

    def JLINKARM_DEVICE_GetInfo(self, index: int, reference: Any) -> int:  # noqa: N802
        if index == -1:
            return len(self._devices)
        if not 0 < index < len(self._devices):
            return -1
        info = reference._obj
        pointer = type(info.sName)
        name = self._string(f"device {index}", self._devices[index])
        info.sName = ctypes.cast(name, pointer)
        info.sManu = ctypes.cast(self._string("manufacturer", "ST"), pointer)
        info.CoreId = info.Core = CORTEX_M7
        return 0

    def JLINKARM_Connect(self) -> int:  # noqa: N802
        return self.begin()

    def _connect(self) -> int:
        """0 or the error code; a call that finds the target unconnected does this first."""
        if self.connected:
            return 0
        if not self.commands.device:
            return self.fail(NO_DEVICE, "No device selected.")
        if self._unpowered or self._supply_mv() < SUPPLY_MIN_MV:
            return self.fail(NO_SUPPLY, "Target voltage too low.")
        level = protection.level(self.link().target)
        if self._interface != INTERFACE_SWD or level == 2:
            return self.fail(NO_CPU, "No CPU found on the selected interface.")
        with self.link().round_trip(self._costs.connect_us):
            if level == 1 and not protection.unlocked(self.link().target, self._unsecure_hook):
                return self.fail(UNSPECIFIED, "")
            self.connected = True
        self.core.attached()
        return 0

    def _supply_mv(self) -> int:
        """What the VTref pin sees; a target that has no supply of its own counts as 3.3 V."""
        target = self.link().target
        twin = getattr(target, "twin", None)
        return int(getattr(target, "supply_mv", getattr(twin, "supply_mv", 3300)))

    def _string(self, key: str, text: str) -> Any:
        self._keep[key] = ctypes.create_string_buffer(text.encode())
        return ctypes.cast(self._keep[key], ctypes.c_char_p)
