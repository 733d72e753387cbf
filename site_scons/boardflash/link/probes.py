"""Finds the probe that the user means, and opens it; the only place that may pick the simulation.

Nothing falls back to the simulation: `PROBE=sim` asks for it, anything else is a real J-Link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from boardflash.link.jlink import Link


@dataclass(frozen=True)
class ProbeInfo:
    serial: str
    product: str
    connection: str  # "USB" or "IP"


@dataclass(frozen=True)
class SimulationChoice:
    """What `PROBE=sim` means this time. Only read when the simulation was asked for."""

    twin: str | None = None  # None: the twin named like the board
    serial: str | None = None  # None: from `sim:SERIAL`, else derived from the board's name
    faults: Mapping[str, str] = field(default_factory=dict)  # by name, as the simulation has them


def list_probes() -> tuple[ProbeInfo, ...]:
    """The J-Links attached to this machine; NO_PROBE if there is no J-Link DLL to ask."""
    raise NotImplementedError


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

    None: the only attached J-Link. "sim" or "sim:SERIAL": a simulated board. Digits: that J-Link.
    """
    raise NotImplementedError
