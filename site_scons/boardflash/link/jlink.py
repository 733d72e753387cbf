"""The link to a target through one J-Link: memory, registers, halt, go and reset, every count checked.

Only this package knows pylink. Behind it stands either SEGGER's DLL or an object with the same
functions; nothing here asks which. pylink's quirks (2.0.1) that are worked around: `halt()` sleeps a
second, short transfers raise nothing, registers come back signed, numbers without a width are packed
big-endian. Command strings: SEGGER knowledge base, "J-Link Command Strings".
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

import pylink

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.timebase import RealTime, Timebase

T = TypeVar("T")

HALT_TIMEOUT_S = 1.0
HALT_POLL_S = 0.001
RESET_NORMAL = 0
RESET_UNDER_RESET = 3
WORDS_PER_CALL = 32768  # 128 KiB a call: the USB round trip is then below 1 % of the transfer

# Sent before the probe is opened, since the DLL asks its questions while opening. `SilentUpdateFW`, which
# pylink's own `disable_dialog_boxes` sends, would update the probe's firmware unasked; it is not here.
COMMANDS_BEFORE_OPEN = ("DisableAutoUpdateFW",)
# Without these a DLL may show windows, which is a nuisance but no danger: one that lacks them may go on.
QUIET_COMMANDS = (
    "SuppressInfoUpdateFW",
    "HideDeviceSelection = 1",
    "SuppressControlPanel",
    "DisableInfoWinFlashDL",
    "DisableInfoWinFlashBPs",
)
# The DLL may answer reads from a copy that it made earlier; each read has to reach the target.
COMMANDS_AFTER_CONNECT = ("SetEnableMemCache = 0",)

INTERFACES = {"swd": pylink.enums.JLinkInterfaces.SWD, "jtag": pylink.enums.JLinkInterfaces.JTAG}


class Library(Protocol):
    """What `pylink.JLink(lib=...)` takes: anything with a `dll()`."""

    def dll(self) -> Any: ...


@dataclass(frozen=True)
class LinkSettings:
    """How to reach the target; from the board file's `[probe]` and the part."""

    jlink_device: str
    interface: str = "swd"
    speed_khz: int = 4000
    under_reset: bool = False


class Link:
    """An open connection to a target. Made by `open_link`; a context manager that closes it.

    Raises BoardflashError for everything that goes wrong below it.
    """

    def __init__(
        self,
        library: Library,
        serial: int,
        settings: LinkSettings,
        *,
        by_serial: bool = True,
        timebase: Timebase | None = None,
        simulated: bool = False,
    ) -> None:
        """Open the probe and connect; `by_serial` = False takes the library's only probe.

        pylink keeps a lock of its own, by serial, in the temporary folder of the machine. Simulated
        boards are separate by user and state folder, so they are opened without it.
        """
        self.messages: list[str] = []  # what the DLL said through its error and warning callbacks
        self.simulated = simulated
        self._serial = serial
        self._settings = settings
        self._timebase: Timebase = timebase if timebase is not None else RealTime()
        self._on_close: list[Callable[[], None]] = []
        self._closed = False
        self._dll = library.dll()
        self._jlink = pylink.JLink(
            lib=library,
            log=_ignore,
            detailed_log=_ignore,
            error=self._note,
            warn=self._note,
            unsecure_hook=_answer_no,
        )
        try:
            self._open(serial if by_serial else None)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the probe; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._call("closing the probe", self._jlink.close)
        finally:
            while self._on_close:
                self._on_close.pop()()

    def on_close(self, action: Callable[[], None]) -> None:
        """Do this after the probe has been let go, the last one first."""
        self._on_close.append(action)

    # Who is at the other end

    @property
    def serial(self) -> str:
        return str(self._serial)

    @property
    def product(self) -> str:
        return str(self._call("reading the probe's name", lambda: self._jlink.product_name))

    @property
    def firmware(self) -> str:
        return str(self._call("reading the probe's firmware version", lambda: self._jlink.firmware_version))

    @property
    def dll_version(self) -> str:
        return str(self._call("reading the DLL's version", lambda: self._jlink.version))

    @property
    def speed_khz(self) -> int:
        """The speed that the probe really uses."""
        return int(self._call("reading the speed", lambda: self._jlink.speed))

    def supply_mv(self) -> int:
        """The target's supply in millivolts, as the probe measures it."""
        return int(self._call("measuring the supply", lambda: self._jlink.hardware_status.VTarget))

    # Time

    def now(self) -> float:
        """Seconds on the board's clock: monotonic for a real board, virtual for a simulated one."""
        return self._timebase.now()

    def pause(self, seconds: float) -> None:
        """Let the board go on alone for a while; a simulated board skips ahead."""
        self._timebase.pause(seconds)

    # Memory

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes by 32-bit accesses; an unaligned head and tail by bytes."""
        out = bytearray()
        for start, length, width in _accesses(address, size):
            out += self._read_units(start, length // width, width)
        return bytes(out)

    def write_memory(self, address: int, data: bytes) -> None:
        """All of `data` by 32-bit accesses; an unaligned head and tail by bytes."""
        view = memoryview(data)
        for start, length, width in _accesses(address, len(data)):
            offset = start - address
            self._write_units(start, view[offset : offset + length], width)

    def read_u32(self, address: int) -> int:
        return int.from_bytes(self._read_units(address, 1, 4), "little")

    def write_u32(self, address: int, value: int) -> None:
        self._write_units(address, memoryview((value & 0xFFFFFFFF).to_bytes(4, "little")), 4)

    # Core

    def halt(self) -> None:
        """Stop the core and wait until it stands."""
        # Past pylink: its halt() sleeps a whole second after a successful halt.
        result = self._call("halting the core", lambda: self._dll.JLINKARM_Halt())
        if result < 0:
            raise self._error(f"halting the core failed: {_text(result)}")
        self._wait_for_halt("did not halt")

    def is_halted(self) -> bool:
        return bool(self._call("asking whether the core is halted", self._jlink.halted))

    def go(self) -> None:
        """Let the core run from where it stands."""
        self._call("starting the core", self._jlink.restart)

    def reset_and_halt(self) -> None:
        """Reset the MCU and stop at the reset vector, by the board's way of resetting."""
        kind = RESET_UNDER_RESET if self._settings.under_reset else RESET_NORMAL
        self._call("choosing the kind of reset", lambda: self._jlink.set_reset_strategy(kind))
        self._call("resetting the target", lambda: self._jlink.reset(halt=True))
        self._wait_for_halt("is not halted after the reset")

    def reset_and_run(self) -> None:
        self._call("choosing the kind of reset", lambda: self._jlink.set_reset_strategy(RESET_NORMAL))
        self._call("resetting the target", lambda: self._jlink.reset(halt=False))

    def read_register(self, number: int) -> int:
        """A core register by the DLL's index: 0-12, 13 SP, 14 LR, 15 PC, 16 xPSR, 17 MSP, 18 PSP (memory)."""
        value = self._call(f"reading register {number}", lambda: self._jlink.register_read(number))
        return int(value) & 0xFFFFFFFF

    def write_register(self, number: int, value: int) -> None:
        """Write a core register; the DLL passes it on before the core starts."""
        masked = value & 0xFFFFFFFF
        self._call(f"writing register {number}", lambda: self._jlink.register_write(number, masked))

    # Below: how it is done

    def _open(self, serial: int | None) -> None:
        settings = self._settings
        interface = INTERFACES.get(settings.interface)
        if interface is None:
            raise self._error(
                f'interface = "{settings.interface}": not known; one of {", ".join(sorted(INTERFACES))}',
                ExitCode.BAD_INPUT,
            )
        for command in COMMANDS_BEFORE_OPEN:
            self._command(command)
        for command in QUIET_COMMANDS:
            try:
                self._command(command)
            except BoardflashError as lacking:
                self._note(lacking.message)
        try:
            self._jlink.open(serial_no=serial)
        except (pylink.errors.JLinkException, OSError, ValueError) as failure:
            # pylink's own lock: another program that uses pylink, but not boardflash, has the probe.
            if "already open" in str(failure):
                theirs = Path(tempfile.gettempdir()) / pylink.jlock.JLock.SERIAL_NAME_FMT.format(serial)
                raise self._error(
                    f"another program that uses pylink has it; end that (or delete {theirs}, if none runs)",
                    ExitCode.PROBE_BUSY,
                ) from failure
            raise self._error(f"cannot be opened: {failure}", ExitCode.NO_PROBE) from failure
        if not self._call("choosing the interface", lambda: self._jlink.set_tif(interface)):
            raise self._error(f'interface = "{settings.interface}": this probe does not offer it')
        if settings.under_reset:
            # Before connecting: an application that takes SWD pins or sleeps must not get to run.
            self._call(
                "choosing the kind of reset", lambda: self._jlink.set_reset_strategy(RESET_UNDER_RESET)
            )
        self._know_device()
        self._call(
            f"connecting to {settings.jlink_device} at {settings.speed_khz} kHz",
            lambda: self._jlink.connect(settings.jlink_device, speed=settings.speed_khz),
            hint="check the cable, the board's supply and [probe] in the board file",
        )
        for command in COMMANDS_AFTER_CONNECT:
            self._command(command)

    def _know_device(self) -> None:
        device = self._settings.jlink_device
        try:
            self._jlink.get_device_index(device)
        except (pylink.errors.JLinkException, ValueError) as failure:
            raise self._error(
                f'this J-Link DLL ({self.dll_version}) knows no device "{device}"; install a newer one, '
                "or name the device in the board file as the DLL's list has it",
                ExitCode.BAD_INPUT,
            ) from failure

    def _command(self, command: str) -> None:
        self._call(f'the J-Link command "{command}"', lambda: self._jlink.exec_command(command))

    def _read_units(self, address: int, units: int, width: int) -> bytes:
        read = self._jlink.memory_read32 if width == 4 else self._jlink.memory_read8
        what = f"reading {units * width} bytes at {address:#010x}"
        values = self._call(what, lambda: read(address, units))
        if len(values) != units:
            raise self._error(f"{what} stopped after {len(values) * width}")
        return struct.pack(f"<{units}I", *values) if width == 4 else bytes(values)

    def _write_units(self, address: int, data: memoryview, width: int) -> None:
        units = len(data) // width
        values = struct.unpack(f"<{units}I", data) if width == 4 else data.tolist()
        write = self._jlink.memory_write32 if width == 4 else self._jlink.memory_write8
        what = f"writing {len(data)} bytes at {address:#010x}"
        written = self._call(what, lambda: write(address, values))
        if written != units:
            raise self._error(f"{what} stopped after {written * width}")

    def _wait_for_halt(self, otherwise: str) -> None:
        limit = self.now() + HALT_TIMEOUT_S
        while not self.is_halted():
            if self.now() >= limit:
                raise self._error(f"the core {otherwise} within {HALT_TIMEOUT_S:g} s")
            self.pause(HALT_POLL_S)

    def _call(self, what: str, function: Callable[[], T], *, hint: str = "") -> T:
        said = len(self.messages)
        try:
            return function()
        except (pylink.errors.JLinkException, ValueError, TypeError) as failure:
            # ValueError: pylink meets an error code that it has no text for.
            told = "".join(f" ({m.rstrip('.')})" for m in self.messages[said:][:1])
            text = f"{what} failed: {str(failure).rstrip('.')}{told}"
            raise self._error(text + (f"; {hint}" if hint else "")) from failure

    def _error(self, message: str, code: ExitCode = ExitCode.DEVICE_FAILED) -> BoardflashError:
        return BoardflashError(message, where=f"J-Link {self._serial}", code=code)

    def _note(self, text: str) -> None:
        self.messages.append(text.strip())


def _accesses(address: int, size: int) -> list[tuple[int, int, int]]:
    """Cut a range into (address, length, width): bytes up to a word boundary, words, bytes."""
    end = address + size
    first = min(end, (address + 3) & ~3)
    last = max(first, end & ~3)
    cuts = []
    if first > address:
        cuts.append((address, first - address, 1))
    step = WORDS_PER_CALL * 4
    cuts += [(at, min(step, last - at), 4) for at in range(first, last, step)]
    if end > last:
        cuts.append((last, end - last, 1))
    return cuts


def _text(code: int) -> str:
    try:
        return str(pylink.enums.JLinkGlobalErrors.to_string(code))
    except ValueError:
        return f"error {code}"


def _ignore(_text: str) -> None:
    """The DLL's chatter is kept by `--trace`, not shown."""


def _answer_no(_title: bytes, _message: bytes, _flags: int) -> int:
    """The DLL asks whether to unlock a read-protected device, which erases it: always No."""
    return int(pylink.enums.JLinkFlags.DLG_BUTTON_NO)
