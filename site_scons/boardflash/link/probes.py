"""Finds the probe that the user means, and opens it; the only place that may pick the simulation.

Nothing falls back to the simulation: `PROBE=sim` asks for it, anything else is a real J-Link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pylink

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.jlink import Library, Link, LinkSettings
from boardflash.link.lock import ProbeLock
from boardflash.link.replay import ReplayLibrary
from boardflash.link.timebase import RealTime, Timebase
from boardflash.link.trace import TracingLibrary

TRY_SIM = "PROBE=sim tries the simulated board"
CONNECTIONS = {pylink.enums.JLinkHost.USB: "USB", pylink.enums.JLinkHost.IP: "IP"}


@dataclass(frozen=True)
class ProbeInfo:
    serial: str
    product: str
    connection: str  # "USB" or "IP"

    def __str__(self) -> str:
        return f"{self.serial} ({self.product or 'J-Link'}, {self.connection})"


@dataclass(frozen=True)
class SimulationChoice:
    """What `PROBE=sim` means this time. Only read when the simulation was asked for."""

    twin: str | None = None  # None: the twin named like the board
    serial: str | None = None  # None: from `sim:SERIAL`, else derived from the board's name
    faults: Mapping[str, str] = field(default_factory=dict)  # by name, as the simulation has them


def list_probes() -> tuple[ProbeInfo, ...]:
    """The J-Links attached to this machine by USB; NO_PROBE if there is no J-Link DLL to ask."""
    return _attached(load_dll())


def open_link(
    selector: str | None,
    *,
    board_name: str,
    jlink_device: str,
    interface: str,
    speed_khz: int,
    under_reset: bool,
    trace: Path | None = None,
    simulation: SimulationChoice | None = None,
) -> Link:
    """Open the probe that `selector` names and connect.

    None or "": the only attached J-Link. "sim" or "sim:SERIAL": a simulated board. Digits: that J-Link.
    """
    settings = LinkSettings(jlink_device, interface, speed_khz, under_reset)
    kind, _, serial = (selector or "").partition(":")
    if kind == "sim":
        choice = simulation or SimulationChoice()
        return _open_simulated(choice, serial or choice.serial, board_name, settings, trace)
    if selector and not selector.isdecimal():
        raise BoardflashError(
            "not a probe; give a J-Link's serial number, or sim, or sim:SERIAL",
            where=f"PROBE={selector}",
            code=ExitCode.NO_PROBE,
        )
    return _open_real(load_dll(), selector or None, settings, trace)


def open_replay(path: Path, *, jlink_device: str, interface: str, speed_khz: int, under_reset: bool) -> Link:
    """The link of a recorded session: the same calls get the same answers, any other is an error."""
    library = ReplayLibrary(path)
    serial = library.serial
    settings = LinkSettings(jlink_device, interface, speed_khz, under_reset)
    if not library.simulated:
        _attached(library)  # as the session began
    return Link(
        library,
        serial,
        settings,
        by_serial=not library.simulated,
        timebase=library.time,
        simulated=library.simulated,
    )


def load_dll() -> Library:
    """SEGGER's J-Link DLL, wherever it is installed."""
    try:
        library = pylink.library.Library()
    except OSError as failure:
        raise _no_dll(f"the J-Link DLL cannot be loaded ({failure})") from failure
    if library.dll() is None:
        raise _no_dll("no J-Link DLL found")
    found: Library = library
    return found


def _no_dll(what: str) -> BoardflashError:
    return BoardflashError(
        f"{what}; install SEGGER's J-Link software to use a J-Link, or {TRY_SIM}",
        where="PROBE",
        code=ExitCode.NO_PROBE,
    )


def _attached(library: Library) -> tuple[ProbeInfo, ...]:
    try:
        found = pylink.JLink(lib=library, **_QUIET).connected_emulators()
    except (pylink.errors.JLinkException, ValueError) as failure:
        raise BoardflashError(
            f"the J-Link DLL cannot list its probes: {failure}", where="PROBE", code=ExitCode.NO_PROBE
        ) from failure
    return tuple(
        ProbeInfo(
            str(info.SerialNumber),
            info.acProduct.decode(errors="replace"),
            CONNECTIONS.get(info.Connection, "IP"),
        )
        for info in found
    )


def _choose(probes: tuple[ProbeInfo, ...], wanted: str | None) -> ProbeInfo:
    """The probe meant, or one line that lists what there is."""
    chosen = [probe for probe in probes if wanted is None or int(probe.serial) == int(wanted)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(str(probe) for probe in probes) or "none"
    if wanted is not None:
        what, where = f"no J-Link has this serial number; attached: {listed}", f"PROBE={wanted}"
    elif probes:
        what, where = f"{len(probes)} J-Links are attached: {listed}; name one with PROBE=SERIAL", "PROBE"
    else:
        what, where = "no J-Link is attached; connect one", "PROBE"
    raise BoardflashError(f"{what}, or {TRY_SIM}", where=where, code=ExitCode.NO_PROBE)


def _open_real(library: Library, wanted: str | None, settings: LinkSettings, trace: Path | None) -> Link:
    with ExitStack() as undo:
        if trace is not None:
            library = _traced(library, trace, RealTime(), undo)
        serial = _choose(_attached(library), wanted).serial
        undo.callback(ProbeLock(serial).release)
        return _link(library, int(serial), settings, undo, by_serial=True, timebase=RealTime())


def _open_simulated(
    choice: SimulationChoice,
    serial: str | None,
    board_name: str,
    settings: LinkSettings,
    trace: Path | None,
) -> Link:
    # The one import of the simulation from outside it.
    from boardflash.sim.probe import simulated_probe

    serial = serial or default_serial(board_name)
    if not serial.isdecimal() or not 0 < int(serial) < 1 << 31:
        raise BoardflashError(
            "a serial number is a decimal number, as a J-Link's is",
            where=f"PROBE=sim:{serial}",
            code=ExitCode.NO_PROBE,
        )
    with ExitStack() as undo:
        undo.callback(ProbeLock(f"sim-{int(serial)}").release)
        simulated = simulated_probe(choice.twin or board_name, int(serial), choice.faults)
        undo.callback(simulated.close)
        library: Library = simulated.library
        if trace is not None:
            library = _traced(library, trace, simulated.time, undo, simulated_serial=int(serial))
        return _link(
            library, int(serial), settings, undo, by_serial=False, timebase=simulated.time, simulated=True
        )


def _link(
    library: Library,
    serial: int,
    settings: LinkSettings,
    undo: ExitStack,
    *,
    by_serial: bool,
    timebase: Timebase,
    simulated: bool = False,
) -> Link:
    """The open link, which from now on owns what `undo` would undo."""
    link = Link(library, serial, settings, by_serial=by_serial, timebase=timebase, simulated=simulated)
    link.on_close(undo.pop_all().close)
    return link


def _traced(
    library: Library, path: Path, timebase: Timebase, undo: ExitStack, *, simulated_serial: int | None = None
) -> Library:
    try:
        tracing = TracingLibrary(
            library, path, timebase, simulated=simulated_serial is not None, serial=simulated_serial
        )
    except OSError as failure:
        raise BoardflashError(f"the trace cannot be written: {failure}", where=str(path)) from failure
    undo.callback(tracing.close)
    return tracing


def default_serial(board_name: str) -> str:
    """The serial number of the simulated board of that name: the same on every machine."""
    digest = hashlib.blake2s(board_name.encode(), digest_size=4).digest()
    return str(900_000_000 + int.from_bytes(digest, "big") % 100_000_000)


def _ignore(_text: str) -> None:
    """Listing probes shows nothing of the DLL's log."""


_QUIET: dict[str, Callable[[str], None]] = {
    "log": _ignore,
    "detailed_log": _ignore,
    "error": _ignore,
    "warn": _ignore,
}
