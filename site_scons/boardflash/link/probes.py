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
from boardflash.link.calls import FAILURES, ignore, to_stderr
from boardflash.link.dll import described, load_dll
from boardflash.link.jlink import Library, Link, LinkSettings
from boardflash.link.lock import ProbeLock
from boardflash.link.replay import ReplayLibrary
from boardflash.link.selector import Selector, parse
from boardflash.link.timebase import RealTime, Timebase
from boardflash.link.trace import TracingLibrary
from boardflash.link.usbpath import serial_at

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


def software() -> str:
    """Which J-Link software answers: its version, and the path of its DLL."""
    return described(load_dll())


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
    tell: Callable[[str], None] = to_stderr,
) -> Link:
    """Open the probe that `selector` names (see selector.py) and connect.

    None or "": the only attached J-Link. `tell` hears what the user should know meanwhile.
    """
    settings = LinkSettings(jlink_device, interface, speed_khz, under_reset)
    wanted = parse(selector)
    if wanted.kind == "sim":
        return _open_simulated(wanted, simulation or SimulationChoice(), board_name, settings, trace, tell)
    if wanted.kind == "usb":
        wanted = Selector("serial", serial_at(wanted.value))
    return _open_real(load_dll(), wanted, settings, trace, tell)


def open_replay(path: Path, *, jlink_device: str, interface: str, speed_khz: int, under_reset: bool) -> Link:
    """The link of a recorded session: the same calls get the same answers, any other is an error."""
    library = ReplayLibrary(path)
    settings = LinkSettings(jlink_device, interface, speed_khz, under_reset)
    probe = library.probe
    if probe.kind == "serial":
        _attached(library)  # as the session began
    return Link(
        library,
        probe,
        settings,
        timebase=library.time,
        simulated=library.simulated,
        software=library.software,
    )


def _attached(library: Library) -> tuple[ProbeInfo, ...]:
    try:
        found = pylink.JLink(lib=library, **_QUIET).connected_emulators()
    except FAILURES as failure:
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


def _open_real(
    library: Library,
    wanted: Selector,
    settings: LinkSettings,
    trace: Path | None,
    tell: Callable[[str], None],
) -> Link:
    with ExitStack() as undo:
        software = described(library)
        if trace is not None:
            library = _traced(library, trace, RealTime(), undo, probe=str(wanted), software=software)
        if wanted.kind in ("serial", "only"):
            wanted = Selector("serial", _choose(_attached(library), wanted.value or None).serial)
        undo.callback(ProbeLock(wanted.key).release)
        link = Link(library, wanted, settings, timebase=RealTime(), tell=tell, software=software)
        return _link(link, undo)


def _open_simulated(
    wanted: Selector,
    choice: SimulationChoice,
    board_name: str,
    settings: LinkSettings,
    trace: Path | None,
    tell: Callable[[str], None],
) -> Link:
    # The one import of the simulation from outside it.
    from boardflash.sim.probe import simulated_probe

    serial = parse(f"sim:{wanted.value or choice.serial or default_serial(board_name)}").value
    with ExitStack() as undo:
        lock = ProbeLock(f"sim-{int(serial)}")
        undo.callback(lock.release)
        simulated = simulated_probe(choice.twin or board_name, int(serial), choice.faults)
        undo.callback(simulated.close)
        library: Library = simulated.library
        software = described(library)
        if trace is not None:
            library = _traced(
                library,
                trace,
                simulated.time,
                undo,
                probe=f"sim:{serial}",
                software=software,
                serial=int(serial),
            )
        link = Link(
            library,
            Selector("serial", _choose(_attached(library), serial).serial),
            settings,
            timebase=simulated.time,
            simulated=True,
            lock_folder=lock.path.parent,
            tell=tell,
            software=software,
        )
        return _link(link, undo)


def _link(link: Link, undo: ExitStack) -> Link:
    """The open link, which from now on owns what `undo` would undo."""
    link.on_close(undo.pop_all().close)
    return link


def _traced(
    library: Library,
    path: Path,
    timebase: Timebase,
    undo: ExitStack,
    *,
    probe: str,
    software: str,
    serial: int | None = None,
) -> Library:
    """`serial` is given for a simulated probe alone."""
    try:
        tracing = TracingLibrary(
            library,
            path,
            timebase,
            simulated=serial is not None,
            serial=serial,
            probe=probe,
            software=software,
        )
    except OSError as failure:
        raise BoardflashError(f"the trace cannot be written: {failure}", where=str(path)) from failure
    undo.callback(tracing.close)
    return tracing


def default_serial(board_name: str) -> str:
    """The serial number of the simulated board of that name: the same on every machine."""
    digest = hashlib.blake2s(board_name.encode(), digest_size=4).digest()
    return str(900_000_000 + int.from_bytes(digest, "big") % 100_000_000)


_QUIET: dict[str, Callable[[str], None]] = {
    "log": ignore,
    "detailed_log": ignore,
    "error": ignore,
    "warn": ignore,
}
