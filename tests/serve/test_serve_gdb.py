"""A real gdb-multiarch on `boardflash sim serve`, both as processes of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serve.serving import BOARD, PATIENCE_S, boardflash, serving

GDB = shutil.which("gdb-multiarch")
pytestmark = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")


def gdb(elf: Path, port: int, *commands: str) -> str:
    """What gdb prints; it ends by itself after the last command."""
    assert GDB is not None
    words = [GDB, "-nx", "-batch", str(elf)]
    settings = ("set pagination off", "set confirm off", "set remotetimeout 60", "set width 0")
    for command in (*settings, f"target extended-remote 127.0.0.1:{port}", *commands):
        words += ["-ex", command]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S
    )
    return done.stdout


@pytest.fixture(scope="module")
def session(state: Path, elf: Path) -> dict[str, str]:
    """One server, one gdb after the other on it; what they printed, and the server's own lines."""
    said = {}
    with serving(state, "--gdb", "0", "--serial", "746040001") as server:
        port = server.port("gdb")
        said["load"] = gdb(elf, port, "info mem", "load", "compare-sections", "detach")
        said["again"] = gdb(elf, port, "load")
        said["debug"] = gdb(
            elf,
            port,
            "monitor reset halt",
            "break main",
            "continue",
            "step",
            "step",
            "next",
            "info registers pc sp xpsr",
            "print counter",
            "print/x *(unsigned *)0xE0042000",
            "x/2xh 0x1ff0f442",
            "delete 1",
            "break tick if now == 45",
            "continue",
            "print now",
            "backtrace",
            "set var counter = 7",
            "print counter",
            "finish",
            "delete",
            "stepi",
            "x/xw 0x60000000",
        )
        said["watch"] = gdb(elf, port, "watch counter", "continue")
        said["software"] = gdb(
            elf, port, "monitor reset halt", "set can-use-hw-watchpoints 0", "watch counter", "continue"
        )
        said["monitor"] = gdb(
            elf, port, "monitor help", "monitor reset halt", "monitor halt", "monitor dance"
        )
        assert server.stop() == 0
        said["server"] = "\n".join(server.lines)
    return said


def test_gdb_is_told_what_is_flash(session: dict[str, str]) -> None:
    assert re.search(r"0x08000000 0x08020000 flash blocksize 0x8000", session["load"])
    assert re.search(r"0x90000000 0x91000000 flash blocksize 0x1000", session["load"])


def test_load_writes_both_memories_and_gdb_finds_it_there(session: dict[str, str]) -> None:
    text = session["load"]
    assert "Loading section .qspi, size 0x4e20 lma 0x90000000" in text
    for section in (".vectors", ".text", ".data", ".qspi"):
        assert re.search(rf"Section {re.escape(section)}, range .*: matched\.", text), text
    assert "MIS-MATCHED" not in text


def test_load_runs_the_programmer_and_the_second_load_writes_nothing(session: dict[str, str]) -> None:
    assert re.search(r"gdb: qspi: .*programmed 20,\d+ bytes", session["server"]), session["server"]
    assert "gdb: 0 bytes written" in session["server"]


def test_breakpoint_step_and_registers(session: dict[str, str]) -> None:
    text = session["debug"]
    assert re.search(r"Breakpoint 1, main \(\) at .*app\.c", text), text
    assert re.search(r"^tick \(now=40\) at ", text, re.MULTILINE), text
    assert re.search(r"^pc +0x80000[0-9a-f]{2} ", text, re.MULTILINE)
    assert re.search(r"^sp +0x2004f[0-9a-f]{3}|^sp +0x20050000", text, re.MULTILINE)
    assert "= 0x10010449" in text  # DBGMCU_IDCODE
    assert re.search(r"0x1ff0f442:\s+0x0400", text)  # 1024 KiB


def test_conditional_breakpoint_backtrace_and_writes(session: dict[str, str]) -> None:
    text = session["debug"]
    assert re.search(r"Breakpoint 2, tick \(now=45\)", text), text
    assert re.search(r"#1 +0x0800[0-9a-f]+ in main \(\)", text)
    assert re.search(r"^\$\d+ = 7$", text, re.MULTILINE)
    assert "Value returned is $" in text and "= 46" in text


def test_what_is_not_there_cannot_be_read(session: dict[str, str]) -> None:
    assert "Cannot access memory at address 0x60000000" in session["debug"]


def test_watchpoints_by_hardware_are_refused_and_by_software_work(session: dict[str, str]) -> None:
    assert re.search(r"[Cc]ould not insert hardware (watchpoint|breakpoints)", session["watch"]), session
    assert re.search(r"Watchpoint 1: counter\s+Old value = .*\s+New value = ", session["software"]), session


def test_monitor_commands_print(session: dict[str, str]) -> None:
    text = session["monitor"]
    assert "monitor reset halt   reset the MCU" in text
    assert "reset; halted at 0x080000" in text
    assert 'no monitor command "dance"' in text


def test_another_verb_finds_what_gdb_has_loaded(session: dict[str, str], state: Path, elf: Path) -> None:
    done = boardflash(state, "verify", elf, "--board", BOARD, "--probe", "sim:746040001")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the device matches the plan" in done.stdout


def test_gdb_finds_what_another_verb_has_flashed(state: Path, elf: Path) -> None:
    done = boardflash(state, "flash", elf, "--board", BOARD, "--probe", "sim:746040002")
    assert done.returncode == 0, done.stdout + done.stderr
    with serving(state, "--gdb", "0", "--serial", "746040002") as server:
        fresh = (
            "monitor reset halt",
            "maintenance flush register-cache",
        )  # gdb keeps a copy of the registers
        text = gdb(elf, server.port("gdb"), *fresh, "compare-sections", "info registers pc")
        assert server.stop() == 0
    assert text.count(": matched.") >= 4 and "MIS-MATCHED" not in text
    assert "<reset>" in text


def test_a_board_that_is_wired_otherwise_fails_to_load_by_name(state: Path, elf: Path) -> None:
    with serving(state, "--gdb", "0", "--serial", "746040003", "--fault", "wiring.PD11=") as server:
        text = gdb(elf, server.port("gdb"), "load")
        assert server.stop() == 0
    assert "Error finishing flash operation" in text
    assert any(line.startswith("gdb: ") and "JEDEC" in line for line in server.lines), server.lines
