"""A pyOCD debug probe whose far end is a simulated board.

pyOCD finds it as a plug-in (entry point group `pyocd.probe`); see pyocd_client.py for how that is arranged.
The environment names the board: BOARDFLASH_PEER is JSON with `twin`, `state` (folder), `serial` and
`report`, the file that receives the transfer counts when pyOCD lets go; perhaps `faults` of the board by
name, and `charged`: opening, connecting and resets cost what a J-Link's cost (`charged.py`). Runs in pyOCD's
own virtual environment, on the plain `Target`: nothing of J-Link lies between.

A probe on USB answers a blocking request in about a millisecond (a full-speed frame); that is charged, and
46 clocks for each word.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyocd.core import exceptions  # type: ignore[import-not-found]
from pyocd.core.plugin import Plugin  # type: ignore[import-not-found]
from pyocd.probe.debug_probe import DebugProbe  # type: ignore[import-not-found]

from boardflash.sim.serve.adiv5 import DP, SWD_DPIDR, TRANSFER_CLOCKS, DebugPort, Fault
from boardflash.sim.state import BoardState
from peers.charged import peer_board

ROUND_TRIP_S = 0.001
DEFAULT_CLOCK_HZ = 1_000_000  # pyOCD's own default; it sets the one it wants


class Bench:
    """The board that the environment asks for, powered up on first use."""

    def __init__(self) -> None:
        settings = json.loads(os.environ["BOARDFLASH_PEER"])
        self.serial: str = settings["serial"]
        self.report = Path(settings["report"])
        state = BoardState.load(Path(settings["state"]), self.serial)
        faults, charged = settings.get("faults", {}), settings.get("charged", False)
        self.board = peer_board(settings["twin"], state, faults, charged=charged)
        self.port = DebugPort(self.board, dpidr=SWD_DPIDR, clock_hz=DEFAULT_CLOCK_HZ)

    def leave(self) -> None:
        self.port.settle()
        self.board.save()
        record = asdict(self.port.counts) | {"board_seconds": self.board.clock.seconds}
        self.report.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


class SimulatedProbe(DebugProbe):  # type: ignore[misc]
    """SWD with posted reads hidden, as pyOCD expects of a probe."""

    _the_one: SimulatedProbe | None = None

    @classmethod
    def get_all_connected_probes(
        cls, unique_id: str | None = None, is_explicit: bool = False
    ) -> Sequence[SimulatedProbe]:
        if "BOARDFLASH_PEER" not in os.environ:
            return []
        if cls._the_one is None:
            cls._the_one = cls(Bench())
        return [cls._the_one]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> SimulatedProbe | None:
        found = [probe for probe in cls.get_all_connected_probes() if probe.unique_id == unique_id]
        return found[0] if found else None

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._port = bench.port
        self._open = False
        self._connected = False
        self._in_reset = False
        self._batch = 0  # deferred reads since the last blocking request belong to one batch

    @property
    def vendor_name(self) -> str:
        return "boardflash"

    @property
    def product_name(self) -> str:
        return "simulated board"

    @property
    def supported_wire_protocols(self) -> Collection[DebugProbe.Protocol]:
        return [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD]

    @property
    def unique_id(self) -> str:
        return self._bench.serial

    @property
    def wire_protocol(self) -> DebugProbe.Protocol | None:
        return DebugProbe.Protocol.SWD if self._connected else None

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def capabilities(self) -> set[DebugProbe.Capability]:
        return set()  # pyOCD itself then writes DP SELECT

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self._open = False
        self._bench.leave()

    def connect(self, protocol: DebugProbe.Protocol | None = None) -> None:
        self._connected = True

    def disconnect(self) -> None:
        self._connected = False

    def set_clock(self, frequency: float) -> None:
        self._port.clock_hz = int(frequency)

    def reset(self) -> None:
        self.assert_reset(True)
        self.assert_reset(False)

    def assert_reset(self, asserted: bool) -> None:
        if asserted != self._in_reset:
            self._in_reset = asserted
            self._round_trip()
            self._port.reset_pin(asserted)

    def is_reset_asserted(self) -> bool:
        return self._in_reset

    def flush(self) -> None:
        self._round_trip()

    def read_dp(self, addr: int, now: bool = True) -> Any:
        self._port.spend(TRANSFER_CLOCKS)
        return self._answer(self._port.read_dp(addr & 0xC), now)

    def write_dp(self, addr: int, data: int) -> None:
        self._port.spend(TRANSFER_CLOCKS)
        if addr & 0xC == DP.ABORT_DPIDR:
            self._port.abort(data)
        else:
            self._port.write_dp(addr & 0xC, data)

    def read_ap(self, addr: int, now: bool = True) -> Any:
        values = self._read_ap(addr, 1)
        return self._answer(values[0], now)

    def write_ap(self, addr: int, data: int) -> None:
        self._write_ap(addr, [data])

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        return self._answer(self._read_ap(addr, count), now)

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        self._write_ap(addr, values)

    def _read_ap(self, addr: int, count: int) -> list[int]:
        self._port.spend(TRANSFER_CLOCKS)  # an SW-DP's AP reads are posted: one transfer more than words
        self._port.counts.dp_reads += 1
        try:
            return [self._one_read(addr & 0xC) for _ in range(count)]
        except Fault as fault:
            raise exceptions.TransferFaultError(str(fault)) from fault

    def _one_read(self, register: int) -> int:
        self._port.spend(TRANSFER_CLOCKS)
        return self._port.read_ap(register)

    def _write_ap(self, addr: int, values: Sequence[int]) -> None:
        try:
            for value in values:
                self._port.spend(TRANSFER_CLOCKS)
                self._port.write_ap(addr & 0xC, value)
        except Fault as fault:
            raise exceptions.TransferFaultError(str(fault)) from fault

    def _answer(self, value: Any, now: bool) -> Any:
        if now:
            self._round_trip()
            return value

        asked_in = self._batch

        def later() -> Any:
            if asked_in == self._batch:  # the first to be fetched brings its whole batch along
                self._round_trip()
            return value

        deferred: Callable[[], Any] = later
        return deferred

    def _round_trip(self) -> None:
        self._batch += 1
        self._port.wait(ROUND_TRIP_S)


class SimulatedProbePlugin(Plugin):  # type: ignore[misc]
    def load(self) -> type[DebugProbe]:
        return SimulatedProbe

    @property
    def name(self) -> str:
        return "boardflash"

    @property
    def description(self) -> str:
        return "A simulated board of boardflash's"
