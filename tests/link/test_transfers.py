"""The DLL counts bytes at every width: what it moves short is an error with counts, never silent zeros."""

from __future__ import annotations

import ctypes
from typing import Any

import pylink
import pytest
from fake_target import RAM, Connect, FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.jlink import Link
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_wire import LinkFaults


def pylinks(target: FakeTarget, faults: LinkFaults | None = None) -> pylink.JLink:
    jlink = pylink.JLink(
        lib=SimulatedJLink({1: target}, faults=faults), log=str, detailed_log=str, error=str, warn=str
    )
    jlink.open(serial_no=1)
    jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
    jlink.connect("STM32F746NG", speed=4000)
    return jlink


@pytest.mark.parametrize("width", [0, 1, 2, 4])
def test_the_library_counts_bytes(target: FakeTarget, width: int) -> None:
    jlink = pylinks(target)  # closes the DLL when it is forgotten
    dll = jlink._dll
    buffer = (ctypes.c_uint8 * 64)(*range(64))
    assert dll.JLINKARM_WriteMemEx(RAM, 64, buffer, width) == 64
    assert dll.JLINKARM_ReadMemEx(RAM, 64, buffer, width) == 64


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_library_counts_bytes_when_it_stops_short(target: FakeTarget, width: int) -> None:
    jlink = pylinks(target, LinkFaults(short_read=1, short_write=1))
    dll = jlink._dll
    buffer = (ctypes.c_uint8 * 64)(*range(64))
    assert dll.JLINKARM_WriteMemEx(RAM, 64, buffer, width) == 32
    assert dll.JLINKARM_ReadMemEx(RAM, 64, buffer, width) == 32


def test_pylink_makes_zeros_of_a_short_read(target: FakeTarget) -> None:
    """Why memory is read past it."""
    target.memories[RAM][:64] = b"\xff" * 64
    words = pylinks(target, LinkFaults(short_read=1)).memory_read32(RAM, 16)
    assert words == [0xFFFF_FFFF] * 8 + [0] * 8


def test_a_transfer_longer_than_a_call_is_cut(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    write = link._dll.JLINKARM_WriteMemEx
    monkeypatch.setattr(
        link._dll, "JLINKARM_WriteMemEx", lambda *args: lengths.append(args[1]) or write(*args)
    )
    data = bytes(range(256)) * 800
    link.write_memory(RAM + 1, data)
    assert lengths == [3, 131_072, len(data) - 131_072 - 3 - 1, 1]
    assert link.read_memory(RAM + 1, len(data)) == data


@pytest.mark.parametrize("answer", [256, 0, 1023, 4096])
def test_any_other_count_than_that_of_the_bytes_is_an_error(
    link: Link, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    """256 is what a DLL that counts words would say of 1024 bytes."""
    for name, kind in (("ReadMemEx", "reading"), ("WriteMemEx", "writing")):
        monkeypatch.setattr(link._dll, f"JLINKARM_{name}", lambda *_args: answer)
        act: Any = link.read_memory if kind == "reading" else link.write_memory
        with pytest.raises(BoardflashError) as caught:
            act(RAM, 1024 if kind == "reading" else bytes(1024))
        assert str(caught.value) == f"J-Link 746: {kind} 1024 bytes at 0x20000000 stopped after {answer}"
        assert caught.value.code == ExitCode.DEVICE_FAILED


def test_a_short_read_of_single_bytes_is_an_error_too(connect: Connect) -> None:
    link = connect(faults=LinkFaults(short_read=1))
    with pytest.raises(BoardflashError, match=r"reading 3 bytes at 0x20000001 stopped after 1$"):
        link.read_memory(RAM + 1, 3)
