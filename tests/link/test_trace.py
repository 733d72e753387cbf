"""A recorded session replays through the real pylink without any board, and only that session."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import random
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_target import FLASH, RAM, FakeTarget

from boardflash.errors import BoardflashError
from boardflash.link import probes
from boardflash.link.jlink import Link
from boardflash.link.trace import TracingLibrary
from boardflash.sim.jlink import SimulatedJLink

SETTINGS: dict[str, Any] = {
    "jlink_device": "STM32F746NG",
    "interface": "swd",
    "speed_khz": 4000,
    "under_reset": False,
}
PAYLOAD = random.Random(1).randbytes(5000)


def session(link: Link, payload: bytes = PAYLOAD) -> list[Any]:
    """A bit of everything; what the caller saw."""
    with link:
        saw: list[Any] = [link.serial, link.product, link.firmware, link.dll_version, link.supply_mv()]
        link.reset_and_halt()
        link.write_memory(RAM + 3, payload)
        saw.append(link.read_memory(RAM + 1, 777))
        saw.append(link.read_memory(FLASH, 64))
        link.write_register(15, 0x9000_0001)
        saw.append(link.read_register(15))
        link.go()
        saw.append(link.is_halted())
        with pytest.raises(BoardflashError) as caught:
            link.read_memory(0x6000_0000, 4)
        saw += [str(caught.value), list(link.messages)]
        link.halt()
        link.reset_and_run()
        saw.append(link.now())
    return saw


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Any]]:
    """A session with a probe that the code takes for real, and its trace."""
    target = FakeTarget()
    monkeypatch.setattr(probes, "load_dll", lambda: SimulatedJLink({801012345: target}))
    monkeypatch.setattr(probes, "RealTime", lambda: _Clock())
    path = tmp_path / "bench" / "trace.jsonl"
    link = probes.open_link(None, board_name="x", trace=path, **SETTINGS)
    assert link.software == "J-Link software V9.24"  # asked past the trace
    saw = session(link)
    monkeypatch.setattr(probes, "load_dll", lambda: pytest.fail("a replay needs no DLL"))
    return path, saw


class _Clock:
    """A wall clock that a test can repeat."""

    def __init__(self) -> None:
        self._now = 100.0

    def now(self) -> float:
        self._now += 0.0001
        return self._now

    def pause(self, seconds: float) -> None:
        self._now += seconds


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_session_replays(recorded: tuple[Path, list[Any]]) -> None:
    path, saw = recorded
    link = probes.open_replay(path, **SETTINGS)
    assert session(link)[:-1] == saw[:-1]


def test_every_call_is_recorded_in_order(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    head, *calls = lines(path)
    assert head == {
        "boardflash_trace": 1,
        "probe": "",
        "serial": None,
        "simulated": False,
        "software": "J-Link software V9.24",
    }
    names = [call["call"].removeprefix("JLINKARM_") for call in calls]
    order = [
        "EMU_GetList",
        "EMU_SelectByUSBSN",
        "OpenEx",
        "TIF_Select",
        "DEVICE_GetInfo",
        "Reset",
        "ReadMemEx",
        "WriteMemEx",
        "WriteReg",
        "GoEx",
        "Halt",
        "Close",
    ]
    places = [names.index(name) for name in order]
    assert places == sorted(places)
    times = [call["t"] for call in calls]
    assert times == sorted(times)


def test_what_was_written_is_not_in_the_trace(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    [body] = [
        call["args"][2]
        for call in lines(path)[1:]
        if call["call"] == "JLINKARM_WriteMemEx" and call["args"][1] > 64
    ]
    words = PAYLOAD[1:4997]  # from the first word boundary to the last
    assert body == {"size": len(words), "sha256": hashlib.sha256(words).hexdigest()}


def test_questions_are_recorded_only_when_the_answer_changes(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    for name in ("JLINKARM_IsOpen", "JLINKARM_EMU_IsConnected", "JLINKARM_IsConnected"):
        answers = [call["returns"] for call in lines(path)[1:] if call["call"] == name]
        assert 1 in answers
        assert all(a != b for a, b in pairwise(answers))


def test_other_data_deviates_at_that_call(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    number = next(
        n
        for n, call in enumerate(lines(path), 1)
        if call.get("call") == "JLINKARM_WriteMemEx" and call["args"][0] == RAM + 3
    )
    with pytest.raises(BoardflashError) as caught:
        session(probes.open_replay(path, **SETTINGS), b"\x00" + PAYLOAD[1:])
    first = base64.b64encode(PAYLOAD[:1]).decode()
    assert str(caught.value) == (
        f"trace.jsonl: line {number}: this session deviates from the trace: "
        f'recorded was WriteMemEx(536870915, 1, {{"bytes": "{first}"}}, 1), '
        'made was WriteMemEx(536870915, 1, {"size": 1}, 1)'
    )


def test_another_call_deviates(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    with (
        probes.open_replay(path, **SETTINGS) as link,
        pytest.raises(BoardflashError, match=r"recorded was .*, made was Halt\(\)$"),
    ):
        link.halt()  # and closing it is not a second deviation


def test_a_session_that_goes_on_beyond_the_trace_deviates(recorded: tuple[Path, list[Any]]) -> None:
    path, _ = recorded
    cut = lines(path)
    text = [json.dumps(line) for line in cut[: len(cut) // 2]]
    path.write_text("\n".join(text) + '\n{"call": "JLINKARM_Rea', encoding="utf-8")
    with pytest.raises(BoardflashError, match="the trace ends here"):
        session(probes.open_replay(path, **SETTINGS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a trace of format 1"),
        ("[]\n", "not a trace of format 1"),
        ('{"boardflash_trace": 2}\n', "not a trace of format 1"),
        ('{"boardflash_trace": 1}\nrubbish\n{}\n', "line 2: not a line of a trace: "),
        ('{"boardflash_trace": 1}\n', "no probe was opened in this trace"),
    ],
)
def test_what_is_no_trace_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BoardflashError, match=message):
        probes.open_replay(path, **SETTINGS)
    with pytest.raises(BoardflashError, match="cannot be read"):
        probes.open_replay(tmp_path / "none.jsonl", **SETTINGS)


def test_flashing_two_mebibytes_leaves_a_small_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "load_dll", lambda: SimulatedJLink({1: FakeTarget()}))
    path = tmp_path / "trace.jsonl"
    block = random.Random(2).randbytes(64 * 1024)
    started = time.monotonic()
    with probes.open_link(None, board_name="x", trace=path, **SETTINGS) as link:
        for _ in range(32):
            link.write_memory(RAM, block)
            link.read_memory(RAM, 64)
    assert path.stat().st_size < 64 * 1024
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform == "win32", reason="calls the C library of a POSIX system")
def test_functions_of_a_real_shared_library_pass_through(tmp_path: Path) -> None:
    """What ctypes loads takes result types, pointers and arrays as the J-Link DLL does."""
    libc = ctypes.CDLL(None)
    exports = SimpleNamespace(JLINK_Text=libc.strerror, JLINK_Copy=libc.strcpy, JLINK_Split=libc.frexpf)
    path = tmp_path / "trace.jsonl"
    tracing = TracingLibrary(SimpleNamespace(dll=lambda: exports), path, _Clock(), simulated=False)
    dll = tracing.dll()
    dll.JLINK_Text.restype = ctypes.POINTER(ctypes.c_char)
    assert libc.strerror.restype is ctypes.POINTER(ctypes.c_char)
    text = ctypes.cast(dll.JLINK_Text(0), ctypes.c_char_p).value
    buffer = (ctypes.c_char * 16)()
    dll.JLINK_Copy.restype = None
    dll.JLINK_Copy(buffer, b"copied")
    dll.JLINK_Split.restype = None
    dll.JLINK_Split.argtypes = [ctypes.c_float, ctypes.c_void_p]
    exponent = ctypes.c_int(0)
    dll.JLINK_Split(8, ctypes.byref(exponent))
    with pytest.raises(AttributeError):
        dll.JLINK_Nothing  # noqa: B018
    tracing.close()
    calls = lines(path)[1:]
    assert text is not None
    assert calls[0]["returns"] == {"text": text.decode()}
    assert base64.b64decode(calls[1]["wrote"]["0"]["bytes"]) == b"copied" + bytes(10)
    assert int.from_bytes(base64.b64decode(calls[2]["wrote"]["1"]["bytes"]), sys.byteorder) == 4
    assert exponent.value == 4
