"""Runs an unmodified OpenOCD on a `Target`, with its stock scripts, through remote_bitbang."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boardflash.sim.serve.adiv5 import Counts, DebugPort
from boardflash.sim.serve.jtag import NO_DPIDR, JtagChain
from boardflash.sim.serve.remote_bitbang import Pins, Traffic
from boardflash.sim.target import Target
from peers.remote_bitbang import RemoteBitbangServer

OURS = Path(__file__).resolve().parent / "openocd"
BOARD_FILE = "stm32f746g-disco.cfg"  # ours: pins and clocks, on the stock target file
STOCK_BOARD_FILE = "board/stm32f746g-disco.cfg"  # OpenOCD's own, on our stand-in for its ST-LINK
TCK_HZ = 2_000_000  # at most a sixth of the core clock after reset, as the stock script says
RUN_SECONDS = 600
NO_SERVERS = ("gdb_port disabled", "tcl_port disabled", "telnet_port disabled")


@dataclass(frozen=True)
class OpenocdRun:
    returncode: int
    output: str
    counts: Counts
    traffic: Traffic


def openocd_version() -> str | None:
    """The first line of `openocd --version`, or None where there is no openocd."""
    program = shutil.which("openocd")
    if program is None:
        return None
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return said.stdout.splitlines()[0]


def run_openocd(
    target: Target,
    *commands: str,
    settings: Mapping[str, int] | None = None,
    board_file: str = BOARD_FILE,
    clock_hz: int = TCK_HZ,
    transfer_clocks: int | None = None,
) -> OpenocdRun:
    """`settings` are Tcl variables for the board file; `commands` run after `init`.

    With `transfer_clocks` each DAP transfer is charged that many clocks, whatever JTAG needs for it.
    """
    port = DebugPort(target, dpidr=NO_DPIDR, clock_hz=clock_hz)
    pins = Pins(JtagChain(port, transfer_clocks))
    with tempfile.TemporaryDirectory() as folder, RemoteBitbangServer(pins) as server:
        variables = {"BITBANG_PORT": server.port, **(settings or {})}
        arguments = [part for name, value in variables.items() for part in ("-c", f"set {name} {value}")]
        arguments += ["-s", str(OURS), "-s", str(OURS / "shadow"), "-f", board_file]
        for command in (*NO_SERVERS, "init", *commands, "shutdown"):
            arguments += ["-c", command]
        done = subprocess.run(
            ["openocd", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            cwd=folder,
        )
    if server.failure is not None:
        raise server.failure
    port.settle()
    return OpenocdRun(done.returncode, done.stdout, port.counts, pins.traffic)
