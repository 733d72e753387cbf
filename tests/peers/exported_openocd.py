"""Runs Debian's OpenOCD with the configuration that we export, the simulated board's interface before it."""

from __future__ import annotations

from pathlib import Path

from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.sim.target import Target
from peers.openocd_client import OpenocdRun, run_openocd

#: What the user names first: `-f interface/....cfg -c "transport select ..."`. OpenOCD gives a flash loader
#: ten seconds of its own time to empty its ring buffer: let that be short.
INTERFACE = """\
adapter driver remote_bitbang
remote_bitbang host 127.0.0.1
remote_bitbang port $BITBANG_PORT
transport select jtag
set WORKAREASIZE 0x2000
"""


def run_exported(target: Target, board_file: str, folder: Path, *commands: str) -> OpenocdRun:
    """`board_file` is a board's name or TOML file; `commands` run after `init`."""
    (made,) = export(format_named("openocd"), ExportRequest(load_board(board_file), folder))
    both = folder / "both.cfg"
    both.write_text(f"{INTERFACE}source {{{made}}}\n", encoding="utf-8")
    return run_openocd(target, *commands, board_file=str(both))
