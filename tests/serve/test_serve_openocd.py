"""Debian's OpenOCD on `boardflash sim serve --bitbang`, with a board file of five lines of its own."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from peers.images import firmware
from peers.openocd_client import BOARD_FILE, OURS, openocd_version
from serve.rsp_client import RspClient
from serve.serving import BOARD, PATIENCE_S, boardflash, serving

pytestmark = pytest.mark.skipif(openocd_version() is None, reason="openocd is not installed")


def openocd(port: int, *commands: str) -> subprocess.CompletedProcess[str]:
    words = [
        "openocd",
        "-s",
        str(OURS),
        "-c",
        f"set BITBANG_PORT {port}",
        "-c",
        "set PLL 0",
        "-f",
        BOARD_FILE,
    ]
    silent = ("gdb_port disabled", "tcl_port disabled", "telnet_port disabled")
    for command in (*silent, "init", *commands, "shutdown"):
        words += ["-c", command]
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S
    )


def test_openocd_flashes_both_memories_and_the_state_stays(state: Path, tmp_path: Path) -> None:
    app, data = tmp_path / "app.bin", tmp_path / "data.bin"
    app.write_bytes(firmware(9_000, seed=4))
    data.write_bytes(random.Random(5).randbytes(1_500))
    with serving(state, "--bitbang", "0", "--serial", "746041001") as server:
        port = server.port("bitbang")
        first = openocd(port, f"program {app} 0x08000000 verify")
        assert first.returncode == 0 and "** Verified OK **" in first.stdout, first.stdout
        second = openocd(
            port, "reset init", f"flash write_image erase {data} 0x90000000", f"flash verify_bank 3 {data} 0"
        )
        assert second.returncode == 0 and "contents match" in second.stdout, second.stdout
        assert server.stop() == 0
        assert not any(line.startswith("gdb:") for line in server.lines)
    done = boardflash(
        state,
        "verify",
        f"{app}@0x08000000",
        f"{data}@0x90000000",
        "--board",
        BOARD,
        "--probe",
        "sim:746041001",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_gdb_and_openocd_see_one_board(state: Path) -> None:
    """Side by side: what OpenOCD writes into RAM, the other client reads."""
    with serving(state, "--bitbang", "0", "--gdb", "0", "--serial", "746041002") as server:
        gdb_port, bitbang_port = server.port("gdb"), server.port("bitbang")
        with RspClient(gdb_port) as client:
            done = openocd(bitbang_port, "halt", "mww 0x20000400 0x12345678")
            assert done.returncode == 0, done.stdout
            assert client.ask("m20000400,4") == b"78563412"
        assert server.stop() == 0
