"""The link to a target through one J-Link: memory, registers, halt, go and reset, every count checked.

Only this package knows pylink. Behind it stands either SEGGER's DLL or an object with the same
functions; nothing here asks which. pylink's quirks (2.0.1) that are worked around: `halt()` sleeps a
second, registers come back signed, and transfers of memory are believed to be counted in units. The DLL
counts bytes at every width (logs of V6.30h to V8.10), so memory is read and written past pylink.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

import pylink

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.calls import Calls, error_text, ignore, to_stderr
from boardflash.link.dll import described
from boardflash.link.opening import AFTER_CONNECT, open_probe, send
from boardflash.link.pylink_lock import LockedJLink
from boardflash.link.selector import Selector
from boardflash.link.timebase import RealTime, Timebase
from boardflash.link.watchdog import WatchdogFreeze

T = TypeVar("T")

HALT_TIMEOUT_S = 1.0
HALT_POLL_S = 0.001
RESET_NORMAL = 0
RESET_UNDER_RESET = 3
BYTES_PER_CALL = 128 * 1024  # the USB round trip is then below 1 % of the transfer

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
        probe: Selector,
        settings: LinkSettings,
        *,
        timebase: Timebase | None = None,
        simulated: bool = False,
        lock_folder: Path | None = None,
        tell: Callable[[str], None] = to_stderr,
        software: str = "",
    ) -> None:
        """Open the probe and connect. `probe` is a serial number, a tunnel or a network address.

        `lock_folder` is where pylink's lock lies (see pylink_lock.py); None: the machine's temporary folder.
        `tell` hears what the user should know while a call does not return. `software` says which DLL it is,
        for one that is behind a trace.
        """
        self.simulated = simulated
        self._calls = Calls(f"J-Link {probe}")
        self._settings = settings
        self._timebase: Timebase = timebase if timebase is not None else RealTime()
        self._on_close: list[Callable[[], None]] = []
        self._closed = False
        self._asked_to_unlock = False
        self._watchdogs = WatchdogFreeze(self, settings.jlink_device)
        self._software = software or described(library)
        self._dll = library.dll()
        self._jlink = self._call(
            "loading the J-Link DLL",
            lambda: LockedJLink(
                lib=library,
                log=ignore,
                detailed_log=ignore,
                error=self._calls.note,
                warn=self._calls.note,
                unsecure_hook=self._answer_no,
                lock_folder=lock_folder,
            ),
        )
        try:
            self._open(probe, tell)
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
            self._jlink.let_go()
            while self._on_close:
                self._on_close.pop()()

    def on_close(self, action: Callable[[], None]) -> None:
        """Do this after the probe has been let go, the last one first."""
        self._on_close.append(action)

    @property
    def messages(self) -> list[str]:
        """What the DLL said through its error and warning callbacks."""
        return self._calls.messages

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
    def software(self) -> str:
        """The J-Link software that answers: its version, and the path of its DLL."""
        return self._software

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
            out += self._read(start, length, width)
        return bytes(out)

    def write_memory(self, address: int, data: bytes) -> None:
        """All of `data` by 32-bit accesses; an unaligned head and tail by bytes."""
        view = memoryview(data)
        for start, length, width in _accesses(address, len(data)):
            offset = start - address
            self._write(start, view[offset : offset + length], width)

    def read_u32(self, address: int) -> int:
        return int.from_bytes(self._read(address, 4, 4), "little")

    def write_u32(self, address: int, value: int) -> None:
        self._write(address, memoryview((value & 0xFFFFFFFF).to_bytes(4, "little")), 4)

    # Core

    def halt(self) -> None:
        """Stop the core and wait until it stands."""
        # Past pylink: its halt() sleeps a whole second after a successful halt.
        result = self._call("halting the core", lambda: self._dll.JLINKARM_Halt())
        if result < 0:
            raise self._error(f"halting the core failed: {error_text(result)}")
        self._wait_for_halt("did not halt")

    def is_halted(self) -> bool:
        return bool(self._call("asking whether the core is halted", self._jlink.halted))

    def go(self) -> None:
        """Let the core run from where it stands; an error if it runs already, where nobody put it."""
        if not self._call("starting the core", self._jlink.restart):
            raise self._error(
                "the core runs already, though it was halted: a watchdog or another debugger has reset it"
            )

    def reset_and_halt(self) -> None:
        """Reset the MCU and stop at the reset vector, by the board's way of resetting; watchdogs stop too."""
        kind = RESET_UNDER_RESET if self._settings.under_reset else RESET_NORMAL
        self._call("choosing the kind of reset", lambda: self._jlink.set_reset_strategy(kind))
        self._call("resetting the target", lambda: self._jlink.reset(halt=True))
        self._wait_for_halt("is not halted after the reset")
        self._watchdogs.freeze()

    def reset_and_run(self) -> None:
        self._watchdogs.give_back()
        self._call("choosing the kind of reset", lambda: self._jlink.set_reset_strategy(RESET_NORMAL))
        self._call("resetting the target", lambda: self._jlink.reset(halt=False))

    def read_register(self, number: int) -> int:
        """A core register by the DLL's index: 0-12, SP, LR, PC, 16 xPSR, 17 MSP, 18 PSP (unverified)."""
        value = self._call(f"reading register {number}", lambda: self._jlink.register_read(number))
        return int(value) & 0xFFFFFFFF

    def write_register(self, number: int, value: int) -> None:
        """Write a core register; the DLL passes it on before the core starts."""
        masked = value & 0xFFFFFFFF
        self._call(f"writing register {number}", lambda: self._jlink.register_write(number, masked))

    # Below: how it is done

    def _open(self, probe: Selector, tell: Callable[[str], None]) -> None:
        settings = self._settings
        interface = INTERFACES.get(settings.interface)
        if interface is None:
            raise self._error(
                f'interface = "{settings.interface}": not known; one of {", ".join(sorted(INTERFACES))}',
                ExitCode.BAD_INPUT,
            )
        self._serial = open_probe(self._jlink, self._dll, self._calls, probe, tell)
        self._calls.where = f"J-Link {self._serial}"
        if not self._call("choosing the interface", lambda: self._jlink.set_tif(interface)):
            raise self._error(f'interface = "{settings.interface}": this probe does not offer it')
        if settings.under_reset:
            # Before connecting: an application that takes SWD pins or sleeps must not get to run.
            self._call(
                "choosing the kind of reset", lambda: self._jlink.set_reset_strategy(RESET_UNDER_RESET)
            )
        self._know_device()
        self._connect()
        for command in AFTER_CONNECT:
            send(self._dll, self._calls, command)

    def _connect(self) -> None:
        settings = self._settings
        try:
            self._call(
                f"connecting to {settings.jlink_device} at {settings.speed_khz} kHz",
                lambda: self._jlink.connect(settings.jlink_device, speed=settings.speed_khz),
                hint="check the cable, the board's supply and [probe] in the board file",
            )
        except BoardflashError as failure:
            if not self._asked_to_unlock:
                raise
            raise self._error(
                f"read-out protection of the {settings.jlink_device} is on: the flash can't be read or"
                " written until it is lifted, which erases the device; boardflash never does that",
                ExitCode.WRONG_DEVICE,
            ) from failure

    def _answer_no(self, _title: bytes, _message: bytes, _flags: int) -> int:
        """The DLL asks whether to unlock a read-protected device, which erases it: always No."""
        self._asked_to_unlock = True
        return int(pylink.enums.JLinkFlags.DLG_BUTTON_NO)

    def _know_device(self) -> None:
        device = self._settings.jlink_device

        def index() -> int:
            try:
                return int(self._jlink.get_device_index(device))
            except (pylink.errors.JLinkException, ValueError):
                return 0  # the DLL's own answer for a name that it does not know

        if self._call("looking the device up", index) <= 0:
            raise self._error(
                f'this J-Link DLL ({self.dll_version}) knows no device "{device}"; install a newer one, '
                "or name the device in the board file as the DLL's list has it",
                ExitCode.BAD_INPUT,
            )

    def _read(self, address: int, size: int, width: int) -> bytes:
        buffer = (ctypes.c_uint8 * size)()
        what = f"reading {size} bytes at {address:#010x}"
        error = pylink.errors.JLinkReadException
        self._move(what, size, error, lambda: self._dll.JLINKARM_ReadMemEx(address, size, buffer, width))
        return bytes(buffer)

    def _write(self, address: int, data: memoryview, width: int) -> None:
        size = len(data)
        buffer = (ctypes.c_uint8 * size).from_buffer_copy(data)
        what = f"writing {size} bytes at {address:#010x}"
        error = pylink.errors.JLinkWriteException
        self._move(what, size, error, lambda: self._dll.JLINKARM_WriteMemEx(address, size, buffer, width))

    def _move(self, what: str, size: int, error: type[Exception], transfer: Callable[[], int]) -> None:
        """The DLL answers with the number of bytes, and without an error where it has moved fewer."""

        def checked() -> int:
            count = transfer()
            if count < 0:
                raise error(count)
            return count

        count = self._call(what, checked)
        if count != size:
            raise self._error(f"{what} stopped after {count}")

    def _wait_for_halt(self, otherwise: str) -> None:
        limit = self.now() + HALT_TIMEOUT_S
        while not self.is_halted():
            if self.now() >= limit:
                raise self._error(f"the core {otherwise} within {HALT_TIMEOUT_S:g} s")
            self.pause(HALT_POLL_S)

    def _call(self, what: str, function: Callable[[], T], *, hint: str = "") -> T:
        return self._calls.call(what, function, hint=hint)

    def _error(self, message: str, code: ExitCode = ExitCode.DEVICE_FAILED) -> BoardflashError:
        return self._calls.error(message, code)


def _accesses(address: int, size: int) -> list[tuple[int, int, int]]:
    """Cut a range into (address, length, width): bytes up to a word boundary, words, bytes."""
    end = address + size
    first = min(end, (address + 3) & ~3)
    last = max(first, end & ~3)
    cuts = []
    if first > address:
        cuts.append((address, first - address, 1))
    cuts += [(at, min(BYTES_PER_CALL, last - at), 4) for at in range(first, last, BYTES_PER_CALL)]
    if end > last:
        cuts.append((last, end - last, 1))
    return cuts
