"""Each packet does what the GDB manual says of it, on a simulated board, without sockets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError, ExitCode
from boardflash.sim.serve.boardmap import target_xml
from boardflash.sim.serve.gdb import GdbClient
from boardflash.sim.serve.rsp import encode
from serve.direct import BKPT_INSTRUCTION, CODE, COUNT, FLASH_CODE, LOOP, RAM, Gdb


@pytest.fixture
def gdb() -> Gdb:
    client = Gdb()
    assert client.ask(f"M{CODE:x},{len(COUNT):x}:{COUNT.hex()}") == "OK"
    client.start_at(CODE)
    return client


def test_attaching_halts_the_core(gdb: Gdb) -> None:
    assert gdb.board.halted()
    assert gdb.ask("?") == "T05thread:1;"


def test_acknowledgements_until_they_are_switched_off() -> None:
    gdb = Gdb()
    client = GdbClient(gdb.debuggee)
    assert client.receive(encode(b"qC"), 0.0) == b"+" + encode(b"QC1")
    assert client.receive(b"$qC#00", 0.0) == b"-"
    assert client.receive(b"-", 0.0) == encode(b"QC1")  # sent again
    assert client.receive(encode(b"QStartNoAckMode"), 0.0) == b"+" + encode(b"OK")
    assert client.receive(b"+" + encode(b"qC"), 0.0) == encode(b"QC1")
    assert client.receive(b"$qC#00", 0.0) == b""


def test_what_is_offered_is_there(gdb: Gdb) -> None:
    offered = gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+").split(";")
    assert "PacketSize=4000" in offered and "QStartNoAckMode+" in offered
    assert {"qXfer:features:read+", "qXfer:memory-map:read+", "vContSupported+"} <= set(offered)
    assert gdb.ask("vCont?") == "vCont;c;C;s;S"


@pytest.mark.parametrize("packet", ["vMustReplyEmpty", "qTStatus", "Jxyz", "qXfer:auxv:read::0,100", ""])
def test_what_is_not_offered_gets_the_empty_reply(gdb: Gdb, packet: str) -> None:
    assert gdb.ask(packet) == ""


def whole(gdb: Gdb, what: str, annex: str, piece: int) -> str:
    text = ""
    while True:
        part = gdb.ask(f"qXfer:{what}:read:{annex}:{len(text):x},{piece:x}")
        text += part[1:]
        if part[0] == "l":
            return text
        assert part[0] == "m"


def test_target_description_is_the_cortex_m_profile(gdb: Gdb) -> None:
    text = whole(gdb, "features", "target.xml", 100)
    assert text == target_xml()
    root = ElementTree.fromstring(text)
    profile = next(f for f in root.iter("feature") if f.get("name") == "org.gnu.gdb.arm.m-profile")
    names = [reg.get("name") for reg in profile]
    assert names == [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr"]


def test_memory_map_gives_flash_with_its_erase_sizes(gdb: Gdb) -> None:
    root = ElementTree.fromstring(whole(gdb, "memory-map", "", 99))
    areas = [(m.get("type"), int(m.get("start", ""), 16), int(m.get("length", ""), 16)) for m in root]
    blocks = {int(m.get("start", ""), 16): m.findtext("property") for m in root if m.get("type") == "flash"}
    assert blocks == {
        0x08000000: "0x8000",
        0x08020000: "0x20000",
        0x08040000: "0x40000",
        0x90000000: "0x1000",
    }
    assert areas[0] == ("ram", 0, 0x08000000)
    assert all(a[1] + a[2] == b[1] for a, b in pairwise(areas))


def test_registers_one_by_one_and_together(gdb: Gdb) -> None:
    assert gdb.ask("P3=78563412") == "OK"
    assert gdb.register(3) == 0x12345678
    together = bytes.fromhex(gdb.ask("g"))
    assert len(together) == 4 * 19
    assert struct.unpack_from("<I", together, 12)[0] == 0x12345678
    assert struct.unpack_from("<I", together, 60)[0] == CODE
    changed = bytearray(together)
    struct.pack_into("<I", changed, 20, 0xCAFE)
    assert gdb.ask(f"G{changed.hex()}") == "OK"
    assert gdb.register(5) == 0xCAFE and gdb.register(15) == CODE


@pytest.mark.parametrize("packet", ["p13", "pzz", "p", "P13=00000000", "P1=00", "P1", "G00", "Gxx", "p-1"])
def test_registers_that_do_not_exist_are_errors(gdb: Gdb, packet: str) -> None:
    assert gdb.ask(packet) == "E01"


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (1, 2), (3, 9), (2, 2), (0, 64), (1, 1), (5, 0)])
def test_memory_is_written_and_read_at_any_alignment(gdb: Gdb, offset: int, size: int) -> None:
    data = bytes(range(0x23, 0x23 + size))
    at = RAM + 0x1000 + offset
    assert gdb.ask(f"M{at:x},{size:x}:{data.hex()}") == "OK"
    assert gdb.ask(f"m{at:x},{size:x}") == data.hex()
    assert gdb.ask(f"X{at:x},{size:x}:".encode() + bytes(reversed(data))) == "OK"
    assert gdb.ask(f"m{at:x},{size:x}") == data[::-1].hex()


def test_a_register_is_read_by_one_access_of_its_width(gdb: Gdb) -> None:
    widths = []
    read = gdb.board.read_memory
    gdb.board.read_memory = lambda a, n, w: (widths.append((a, n, w)), read(a, n, w))[1]  # type: ignore
    gdb.ask("m40023800,4")
    gdb.ask("m1ff0f442,2")
    assert widths == [(0x40023800, 4, 4), (0x1FF0F442, 2, 2)]


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        ("m60000000,4", "E0e"),
        ("M60000000,4:00000000", "E0e"),
        ("m90000000,4", "E0e"),  # the controller has no clock
        ("m20000000", "E01"),
        ("m20000000,", "E01"),
        ("m,4", "E01"),
        ("m120000000,4", "E01"),
        ("mffffffff,2", "E01"),
        ("M20000000,4:0000", "E01"),
        ("M20000000,4:zz", "E01"),
        ("X20000000,4:abc", "E01"),
    ],
)
def test_memory_that_is_not_there_is_an_error(gdb: Gdb, packet: str, error: str) -> None:
    assert gdb.ask(packet) == error


def test_step_runs_one_instruction(gdb: Gdb) -> None:
    assert gdb.ask("s") == "T05thread:1;"
    assert gdb.register(15) == LOOP
    assert gdb.ask("vCont;s:1;c") == "T05thread:1;"
    assert (gdb.register(0), gdb.register(15)) == (1, LOOP + 2)
    assert gdb.ask(f"s{CODE:x}") == "T05thread:1;"
    assert (gdb.register(0), gdb.register(15)) == (0, LOOP)


@pytest.mark.parametrize("base", [CODE, FLASH_CODE])
@pytest.mark.parametrize("kind", [0, 1])
def test_a_breakpoint_stops_each_time_around(gdb: Gdb, base: int, kind: int) -> None:
    gdb.start_at(base)
    assert gdb.ask(f"Z{kind},{base + 2:x},2") == "OK"
    name = "swbreak" if kind == 0 and base == CODE else "hwbreak"
    for rounds in range(3):
        assert gdb.send("vCont;c") == []
        assert gdb.run() == f"T05thread:1;{name}:;"
        assert (gdb.register(0), gdb.register(15)) == (rounds, base + 2)
    assert gdb.ask(f"z{kind},{base + 2:x},2") == "OK"
    gdb.send("c")
    with pytest.raises(AssertionError, match="does not stop"):
        gdb.run(20)


def test_a_step_from_a_breakpoint_goes_on(gdb: Gdb) -> None:
    for kind in (0, 1):
        gdb.ask(f"Z{kind},{CODE:x},2")
        gdb.start_at(CODE)
        assert gdb.ask("s") == "T05thread:1;"
        assert gdb.register(15) == LOOP
        gdb.ask(f"z{kind},{CODE:x},2")


def test_breakpoints_do_not_show_in_memory(gdb: Gdb) -> None:
    gdb.ask(f"Z0,{LOOP:x},2")
    assert gdb.board.read_memory(LOOP, 2, 2) == BKPT_INSTRUCTION.to_bytes(2, "little")
    assert gdb.ask(f"m{CODE:x},8") == COUNT.hex()
    assert gdb.ask(f"m{LOOP + 1:x},1") == COUNT[3:4].hex()
    assert gdb.ask(f"M{CODE:x},8:{'0020023001 31fce7'.replace(' ', '')}") == "OK"
    assert gdb.ask(f"m{LOOP:x},2") == "0230"
    assert gdb.board.read_memory(LOOP, 2, 2) == BKPT_INSTRUCTION.to_bytes(2, "little")
    gdb.ask(f"z0,{LOOP:x},2")
    assert gdb.board.read_memory(LOOP, 2, 2) == bytes.fromhex("0230")


def test_comparators_run_out_in_words_that_gdb_knows(gdb: Gdb) -> None:
    for n in range(8):
        assert gdb.ask(f"Z1,{FLASH_CODE + 2 * n:x},2") == "OK"
    assert gdb.ask(f"Z1,{FLASH_CODE:x},2") == "OK"  # set already
    assert gdb.ask(f"Z1,{FLASH_CODE + 32:x},2") == "E1c"
    gdb.ask(f"z1,{FLASH_CODE:x},2")
    assert gdb.ask(f"Z1,{FLASH_CODE + 32:x},2") == "OK"


@pytest.mark.parametrize("kind", [2, 3, 4])
def test_watchpoints_are_refused_as_not_supported(gdb: Gdb, kind: int) -> None:
    """The simulated DWT has no comparators; its NUMCOMP says so."""
    assert int.from_bytes(gdb.board.read_memory(0xE0001000, 4, 4), "little") >> 28 == 0
    assert gdb.ask(f"Z{kind},20000000,4") == ""
    assert gdb.ask(f"z{kind},20000000,4") == ""


@pytest.mark.parametrize("packet", ["Z0", "Z0,", "Z0,x,2", "Z,20000100,2", "z1,", "Z0,20000100"])
def test_malformed_breakpoints_are_errors(gdb: Gdb, packet: str) -> None:
    assert gdb.ask(packet) == "E01"


def test_ctrl_c_stops_a_running_core(gdb: Gdb) -> None:
    assert gdb.client.receive(b"\x03", 0.0) == b""  # nothing runs: nothing to tell
    gdb.send("c")
    gdb.board.advance(10_000_000)
    assert gdb.client.running
    assert gdb.replies(gdb.client.receive(b"\x03", 0.0)) == [b"T02thread:1;"]
    assert not gdb.client.running and gdb.register(0) > 100


def test_registers_of_a_running_core_are_refused(gdb: Gdb) -> None:
    gdb.send("c")
    assert [gdb.ask(p) for p in ("g", "p0", "P0=00000000")] == ["E10"] * 3
    assert gdb.ask(f"m{CODE:x},2") == COUNT[:2].hex()  # memory is reached all the same


def test_a_bkpt_of_the_firmware_stops_and_is_passed(gdb: Gdb) -> None:
    code = struct.pack("<4H", 0x2000, BKPT_INSTRUCTION | 0xAB, 0x3001, 0xE7FE)
    gdb.ask(f"M{CODE:x},8:{code.hex()}")
    gdb.ask(f"Z0,{CODE + 6:x},2")
    gdb.send("c")
    assert gdb.run() == "T05thread:1;" and gdb.register(15) == LOOP
    gdb.send("c")
    assert gdb.run() == "T05thread:1;swbreak:;" and gdb.register(15) == CODE + 6


def test_a_locked_up_core_is_told(gdb: Gdb) -> None:
    gdb.ask("M20000200,2:00de")  # UDF; flash is blank, so there is no handler either
    gdb.start_at(0x20000200)
    gdb.send("c")
    assert gdb.run() == "T0bthread:1;"
    assert "locked up" in gdb.said[-1]


def test_a_client_that_leaves_takes_its_breakpoints_along(gdb: Gdb) -> None:
    gdb.ask(f"Z0,{LOOP:x},2")
    gdb.ask(f"Z1,{FLASH_CODE:x},2")
    gdb.client.leave()
    assert gdb.board.read_memory(CODE, 8, 4) == COUNT
    assert gdb.board.core.engine.breakpoints == {}


def test_detach_lets_the_core_run(gdb: Gdb) -> None:
    gdb.ask(f"Z0,{LOOP:x},2")
    assert gdb.ask("D") == "OK"
    assert gdb.client.closed and not gdb.board.halted()
    assert gdb.board.read_memory(CODE, 8, 4) == COUNT


def test_kill_ends_the_session_without_a_reply(gdb: Gdb) -> None:
    assert gdb.send("k") == [] and gdb.client.closed


def test_monitor_commands(gdb: Gdb) -> None:
    assert "monitor reset halt" in gdb.monitor("help")
    assert gdb.monitor("reset halt") == "reset; halted at 0xfffffffe\n"  # blank flash has this vector
    assert gdb.board.halted()
    gdb.monitor("reset")
    assert not gdb.board.halted()
    gdb.monitor("  halt ")
    assert gdb.board.halted()
    assert 'no monitor command "dance"' in gdb.monitor("dance")


def test_flash_is_written_by_the_programmer_when_all_is_there(gdb: Gdb) -> None:
    gdb.ask(f"M{RAM:x},4:01020304")
    assert gdb.ask("vFlashErase:08000000,8000") == "OK"
    assert gdb.ask("vFlashErase:08008000,8000") == "OK"
    assert gdb.ask("vFlashErase:90000000,1000") == "OK"
    assert gdb.ask(b"vFlashWrite:8000000:" + bytes(range(256))) == "OK"
    assert gdb.ask(b"vFlashWrite:90000000:#$}*") == "OK"
    assert gdb.programmer.asked == []
    assert gdb.ask("vFlashDone") == "OK"
    erases, writes = gdb.programmer.asked[0]
    assert erases == [(0x08000000, 0x10000), (0x90000000, 0x1000)]
    assert writes == {0x08000000: bytes(range(256)), 0x90000000: b"#$}*"}
    assert gdb.ask(f"m{RAM:x},4") == "01020304"  # RAM is as it was before the loader
    assert gdb.board.halted()
    assert gdb.ask("vFlashDone") == "OK" and len(gdb.programmer.asked) == 1


@pytest.mark.parametrize(
    "packet",
    ["vFlashErase:20000000,1000", "vFlashErase:8000000,0", "vFlashErase:8000000", "vFlashWrite:20000000:x"],
)
def test_flash_outside_of_flash_is_an_error(gdb: Gdb, packet: str) -> None:
    assert gdb.ask(packet) == "E01"


def test_a_failed_programmer_is_told_to_both(gdb: Gdb) -> None:
    gdb.programmer.failure = BoardflashError("no answer", where="qspi", code=ExitCode.DEVICE_FAILED)
    gdb.ask("vFlashErase:90000000,1000")
    assert gdb.ask("vFlashDone") == "E.qspi: no answer"
    assert gdb.said[-1] == "gdb: qspi: no answer"
    gdb.programmer.failure = None
    assert gdb.ask("vFlashDone") == "OK" and gdb.programmer.asked == []


def test_the_window_is_read_by_the_loader_until_code_has_run(gdb: Gdb) -> None:
    gdb.monitor("reset halt")
    gdb.ask("P4=44000000")
    assert gdb.ask("m9000fff0,20") == "ff" * 16 + "00" * 16
    assert gdb.programmer.reads == [(0x90000000, 0x10000), (0x90010000, 0x10000)]
    assert gdb.ask("m90000020,1") == "02" and len(gdb.programmer.reads) == 2
    assert gdb.register(4) == 0x44  # registers are as before, too
    gdb.debuggee.disturbed()  # another client had the board in hand
    assert gdb.ask("m90000020,1") == "E0e"
    gdb.monitor("reset halt")
    assert gdb.ask("m90000020,1") == "02" and len(gdb.programmer.reads) == 3
    gdb.start_at(CODE)
    gdb.ask("s")
    assert gdb.ask("m90000020,1") == "E0e"  # as the core would see it


HEADS = (
    *("m", "M", "X", "p", "P", "G", "H", "T", "s", "c", "C", "S", "R", "?", "D;", "Z0,", "z1,", "vCont;"),
    *("vFlashErase:", "vFlashWrite:", "vRun;", "vKill;", "qXfer:features:read:", "qXfer:memory-map:read::"),
    *("qRcmd,", "qSupported:", "qSymbol:"),
)
TAILS = st.one_of(st.binary(max_size=20), st.text("0123456789abcdef,:;=", max_size=24).map(str.encode))
PACKETS = st.one_of(
    st.binary(max_size=40), st.builds(lambda head, tail: head.encode() + tail, st.sampled_from(HEADS), TAILS)
)


@pytest.fixture(scope="module")
def one_board() -> Iterator[Gdb]:
    yield Gdb()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PACKETS, max_size=6))
def test_nothing_that_arrives_upsets_the_server(one_board: Gdb, packets: list[bytes]) -> None:
    """Framed well or not at all; afterwards a sound question gets its answer."""
    client = one_board.client = GdbClient(one_board.debuggee, one_board.said.append)
    for packet in packets:
        client.receive(encode(packet), 0.0)
        client.receive(packet, 0.0)
        if client.running:
            one_board.board.advance(1_000)
            client.poll()
    client.leave()
    client = GdbClient(one_board.debuggee, one_board.said.append)
    assert encode(b"QC1") in client.receive(b"#00" + encode(b"qC"), 0.0)


def test_writes_without_an_end_are_bounded(gdb: Gdb, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than both memories hold is kept until vFlashDone."""
    monkeypatch.setattr(type(gdb.client.debuggee.map), "flash_bytes", 1000)
    for at in range(0, 900, 100):
        assert gdb.ask(b"vFlashWrite:%x:" % (0x0800_0000 + at) + bytes(100)) == "OK"
    assert gdb.ask(b"vFlashWrite:8001000:" + bytes(200)) == "E01"
    assert gdb.ask(b"vFlashWrite:8001000:" + bytes(100)) == "OK"
