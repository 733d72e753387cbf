"""The server as a process: its lines, its ports, its clients one after the other, its end."""

from __future__ import annotations

import random
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from boardflash.cli import main
from boardflash.errors import ExitCode
from boardflash.sim.serve.rsp import Acknowledged, Packet, encode
from serve.rsp_client import RspClient
from serve.serving import BOARD, SERVE, boardflash, serving

COUNT = "00200130fde7"  # movs r0, #0; loop: adds r0, #1; b loop


def test_it_says_that_it_is_simulated_and_one_line_for_each_port(state: Path) -> None:
    with serving(state, "--gdb", "0", "--bitbang", "0", "--serial", "746042001") as server:
        gdb, bitbang = server.port("gdb"), server.port("bitbang")
        assert gdb != bitbang and gdb > 0
        assert server.stop() == 0
    assert server.lines[0] == f"simulated board {BOARD}, probe 746042001: no hardware is touched"
    assert server.lines[1] == f"gdb: 127.0.0.1:{gdb}"
    assert server.lines[2] == f"bitbang: 127.0.0.1:{bitbang}"
    assert "simulated" in server.lines[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("running", [False, True])
def test_ctrl_c_and_sigterm_end_it_with_zero(state: Path, number: signal.Signals, running: bool) -> None:
    with (
        serving(state, "--gdb", "0", "--serial", "746042002") as server,
        RspClient(server.port("gdb")) as client,
    ):
        client.ask(f"M20000100,6:{COUNT}")
        client.ask("Pf=00010020")
        if running:
            client.send(encode(b"vCont;c"))
            time.sleep(0.2)
        began = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - began < 10
        assert client.event() is None
    assert not any("Traceback" in line for line in server.lines)


def test_ctrl_c_of_the_client_stops_a_core_that_runs_for_ever(state: Path) -> None:
    with (
        serving(state, "--gdb", "0", "--serial", "746042003") as server,
        RspClient(server.port("gdb")) as client,
    ):
        client.ask(f"M20000100,6:{COUNT}")
        client.ask("Pf=00010020")
        client.send(encode(b"vCont;c"))
        time.sleep(0.3)
        began = time.monotonic()
        client.send(b"\x03")
        assert client.reply() == b"T02thread:1;"
        assert time.monotonic() - began < 2
        assert int.from_bytes(bytes.fromhex(client.ask("p0").decode()), "little") > 1000


def test_a_client_that_crashes_makes_room_for_the_next(state: Path) -> None:
    with serving(state, "--gdb", "0", "--serial", "746042004") as server:
        port = server.port("gdb")
        first = socket.create_connection(("127.0.0.1", port))
        first.sendall(encode(b"Z0,20000100,2") + b"$m2000")
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST, as a crash gives
        server.wait_for("a client has attached")
        first.close()
        server.wait_for("the client has left")
        with RspClient(port) as client:
            assert client.ask("m20000100,2") == b"0000"  # the breakpoint has gone with its client
        server.wait_for("the client has left")
        assert server.stop() == 0


def test_a_second_client_waits_until_the_first_has_left(state: Path) -> None:
    with serving(state, "--gdb", "0", "--serial", "746042005") as server:
        port = server.port("gdb")
        with RspClient(port), socket.create_connection(("127.0.0.1", port)) as second:
            second.settimeout(0.3)
            second.sendall(encode(b"qC"))
            with pytest.raises(TimeoutError):
                second.recv(100)
            queued = second.dup()
        queued.settimeout(30)
        answer = b""
        while len(answer) < 8:
            answer += queued.recv(100)
        queued.close()
        assert answer == b"+" + encode(b"QC1")


def test_acknowledgements_over_the_wire(state: Path) -> None:
    with (
        serving(state, "--gdb", "0", "--serial", "746042006") as server,
        RspClient(server.port("gdb"), acknowledging=True) as client,
    ):
        client.send(encode(b"qC"))
        assert [client.event(), client.event()] == [Acknowledged(True), Packet(b"QC1")]
        client.send(b"-")
        assert client.event() == Packet(b"QC1")
        client.send(b"$qC#00")
        assert client.event() == Acknowledged(False)


def test_load_without_gdb_and_the_state_on_disk(state: Path, tmp_path: Path) -> None:
    """vFlash packets by hand; the next server, and another verb, find the bytes."""
    content = bytes(range(256)) * 20
    picture = tmp_path / "picture.bin"
    picture.write_bytes(content)
    words = ("--gdb", "0", "--serial", "746042007")
    with serving(state, *words) as server, RspClient(server.port("gdb")) as client:
        assert client.ask("vFlashErase:90010000,2000") == b"OK"
        assert client.ask(b"vFlashWrite:90010000:" + content) == b"OK"
        assert client.ask("vFlashDone") == b"OK"
        assert client.ask("m90010010,4") == b"10111213"
        assert client.ask("m900113ff,2") == b"ffff"  # past the content the erased unit is blank
        assert client.ask("vFlashErase:90010000,1000") == b"OK"
        assert client.ask("vFlashDone") == b"OK"  # an erase alone
        assert client.ask("m90010ffe,4") == b"ffff0001"
        server.process.kill()  # what was flashed is on disk already
        server.end()
    with serving(state, *words) as server:
        with RspClient(server.port("gdb")) as client:
            client.monitor("reset halt")
            assert client.ask("m90010ff8,10") == b"ff" * 8 + bytes(range(8)).hex().encode()
        assert server.stop() == 0
    probe = ("--board", BOARD, "--probe", "sim:746042007")
    tail = tmp_path / "tail.bin"
    tail.write_bytes(content[0x1000:])
    assert boardflash(state, "verify", f"{tail}@0x90011000", *probe).returncode == 0
    assert boardflash(state, "verify", f"{picture}@0x90010000", *probe).returncode == ExitCode.DIFFERS


def test_a_port_in_use_is_one_line(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = boardflash(state, *SERVE, "--gdb", port, "--serial", "746042008")
    assert done.returncode == ExitCode.PROBE_BUSY
    assert done.stderr == (
        f"boardflash: --gdb {port}: port {port} is in use by another program;"
        " choose another, or 0 for any that is free\n"
    )


def test_two_processes_never_share_a_board(state: Path) -> None:
    with serving(state, "--gdb", "0", "--serial", "746042009") as server:
        server.port("gdb")
        again = boardflash(state, *SERVE, "--gdb", "0", "--serial", "746042009")
        other = boardflash(state, "reset", "--board", BOARD, "--probe", "sim:746042009")
        assert server.stop() == 0
    for done in (again, other):
        assert done.returncode == ExitCode.PROBE_BUSY
        assert "746042009: is in use by process" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--gdb", "70000"), "70000"),
        (("--bitbang", "x"), "'x' is no port"),
        (("--serial", "abc"), "'abc' is no serial number"),
        (("--fault", "unplug_at_call=3"), "--fault: it belongs to the J-Link's wire"),
    ],
)
def test_a_wrong_command_line(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    part: str,
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(state))
    assert main([*SERVE, *words]) == ExitCode.USAGE
    assert part in capsys.readouterr().err


def test_help_tells_the_ports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "serve", "--help"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert "default 3333" in said and "default 3335" in said and "exit codes:" in said


def test_a_board_without_a_twin_is_told(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(state))
    assert main([*SERVE, "--twin", "nobody"]) == ExitCode.NO_PROBE
    assert 'no simulated board is named "nobody"' in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_load_ends_it_in_good_order(state: Path, number: signal.Signals) -> None:
    """The programmer finishes what it has begun, gdb gets an error, the server ends with 0."""
    size = 0x40_0000
    with (
        serving(state, "--gdb", "0", "--serial", f"7460421{number:02}") as server,
        RspClient(server.port("gdb")) as client,
    ):
        assert client.ask(f"vFlashErase:90000000,{size:x}") == b"OK"
        for at in range(0, size, 0x2000):
            part = random.Random(at).randbytes(0x2000)
            assert client.ask(b"vFlashWrite:%x:" % (0x90000000 + at) + part) == b"OK"
        client.send(encode(b"vFlashDone"))
        time.sleep(1.0)
        assert server.process.poll() is None
        assert server.stop(number) == 0
        answer = client.reply()
    assert answer.startswith(b"E.interrupted"), answer
    assert server.lines[-1].endswith("done")


@pytest.mark.parametrize("verb", ["GET / HTTP/1.1", "POST /x HTTP/1.1", "OPTIONS * HTTP/1.1"])
def test_a_client_that_speaks_http_is_sent_away_and_changes_nothing(state: Path, verb: str) -> None:
    """A page in a browser reaches loopback; a packet in its body must not reach the board."""
    with serving(state, "--gdb", "0", "--serial", "746042201") as server:
        port = server.port("gdb")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            body = encode(b"M20000000,4:deadbeef")
            client.sendall(verb.encode() + b"\r\nHost: localhost\r\n\r\n" + body)
            assert client.recv(100) == b""
        with RspClient(port) as gdb:
            assert gdb.ask("m20000000,4") != b"deadbeef"
        assert server.stop() == 0
    assert "gdb: this client speaks HTTP, and is sent away" in server.lines
