"""`Link` over the real pylink: every transfer whole or an error, no second slept, no sign in a register."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from fake_target import RAM, Connect, FakeTarget

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.jlink import Link, LinkSettings
from boardflash.sim.jlink_wire import LinkFaults


def test_connecting_tells_who_is_there(link: Link) -> None:
    assert (link.serial, link.product) == ("746", "J-Link (simulated)")
    assert link.firmware.startswith("J-Link (simulated)")
    assert (link.dll_version, link.speed_khz, link.supply_mv()) == ("9.24", 4000, 3300)
    assert link.simulated


@pytest.mark.parametrize("offset", range(5))
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 1024, 5000, 70_001])
def test_any_range_reads_back_what_was_written(
    link: Link, target: FakeTarget, offset: int, size: int
) -> None:
    data = bytes(i * 7 & 0xFF for i in range(size))
    before = bytes(target.memories[RAM])
    link.write_memory(RAM + offset, data)
    assert link.read_memory(RAM + offset, size) == data
    after = before[:offset] + data + before[offset + size :]
    assert bytes(target.memories[RAM]) == after


def test_whole_words_move_by_32_bit_accesses(link: Link, target: FakeTarget) -> None:
    target.widths.clear()
    link.write_memory(RAM, bytes(4096))
    link.read_memory(RAM, 4096)
    assert set(target.widths) == {4}


def test_words_are_little_endian(link: Link, target: FakeTarget) -> None:
    link.write_u32(RAM, 0x12345678)
    assert target.memories[RAM][:4] == bytes.fromhex("78563412")
    assert link.read_u32(RAM) == 0x12345678


def test_a_short_read_is_an_error_with_counts(connect: Connect, target: FakeTarget) -> None:
    link = connect(faults=LinkFaults(short_read=1))
    with pytest.raises(BoardflashError) as caught:
        link.read_memory(RAM + 16, 1024)
    assert str(caught.value) == "J-Link 746: reading 1024 bytes at 0x20000010 stopped after 512"
    assert caught.value.code == ExitCode.DEVICE_FAILED


def test_a_short_write_is_an_error_with_counts(connect: Connect, target: FakeTarget) -> None:
    link = connect(faults=LinkFaults(short_write=2))
    link.write_memory(RAM, bytes(64))
    with pytest.raises(BoardflashError) as caught:
        link.write_memory(RAM, b"\x11" * 64)
    assert str(caught.value) == "J-Link 746: writing 64 bytes at 0x20000000 stopped after 32"
    assert target.memories[RAM][:64] == b"\x11" * 32 + bytes(32)


def test_an_address_without_memory_is_an_error_that_names_it(link: Link) -> None:
    with pytest.raises(BoardflashError) as caught:
        link.read_memory(0x6000_0000, 4)
    assert str(caught.value) == (
        "J-Link 746: reading 4 bytes at 0x60000000 failed: Unspecified error "
        "(Could not read memory: bus fault at 0x60000000: nothing there)"
    )
    with pytest.raises(BoardflashError, match=r"writing 4 bytes at 0x60000000 failed"):
        link.write_memory(0x6000_0000, bytes(4))
    link.write_u32(RAM, 1)  # the link survives it


def test_registers_come_back_unsigned(link: Link) -> None:
    link.reset_and_halt()
    for value in (0xFFFF_FFFF, 0x9000_0000, 0x7FFF_FFFF, 0):
        link.write_register(15, value)
        assert link.read_register(15) == value


def test_a_written_register_reaches_the_core_when_it_starts(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    link.write_register(15, 0x2000_0101)
    assert target.registers[15] == 0
    link.go()
    assert target.registers[15] == 0x2000_0101
    assert not link.is_halted()


def test_registers_of_a_running_core_are_refused(link: Link) -> None:
    link.reset_and_run()
    with pytest.raises(BoardflashError, match="writing register 15 failed"):
        link.write_register(15, 0)


def test_halting_does_not_sleep(link: Link) -> None:
    link.reset_and_run()
    started = time.monotonic()
    link.halt()
    assert link.is_halted()
    assert time.monotonic() - started < 0.5  # pylink's own halt() sleeps 1 s


def test_a_core_that_does_not_halt_is_told(link: Link, target: FakeTarget) -> None:
    target.halts_on_request = False
    link.reset_and_run()
    with pytest.raises(BoardflashError) as caught:
        link.halt()
    assert str(caught.value) == "J-Link 746: the core did not halt within 1 s"


def test_reset_and_halt_then_run(link: Link, target: FakeTarget) -> None:
    link.reset_and_halt()
    assert target.resets == 1
    assert link.is_halted()
    link.reset_and_run()
    assert target.resets == 2
    assert not link.is_halted()


def test_connect_under_reset_catches_the_core_before_it_runs(connect: Connect, target: FakeTarget) -> None:
    link = connect(settings=LinkSettings("STM32F746NG", under_reset=True))
    assert target.resets == 1
    assert link.is_halted()


def test_a_normal_connect_leaves_the_application_alone(link: Link, target: FakeTarget) -> None:
    assert target.resets == 0
    assert not link.is_halted()


def test_a_board_without_supply_is_told(connect: Connect, target: FakeTarget) -> None:
    target.supply_mv = 0
    with pytest.raises(BoardflashError) as caught:
        connect()
    assert str(caught.value) == (
        "J-Link 746: connecting to STM32F746NG at 4000 kHz failed: Target system has no power "
        "(Target voltage too low); check the cable, the board's supply and [probe] in the board file"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            LinkSettings("STM32F746NGH6"),
            'J-Link 746: this J-Link DLL (9.24) knows no device "STM32F746NGH6"; install a newer one, '
            "or name the device in the board file as the DLL's list has it",
        ),
        (
            LinkSettings("STM32F746NG", interface="jtag"),
            "J-Link 746: choosing the interface failed: Unsupported target interface: 0",
        ),
        (
            LinkSettings("STM32F746NG", interface="uart"),
            'J-Link 746: interface = "uart": not known; one of jtag, swd',
        ),
    ],
)
def test_settings_that_the_probe_refuses(connect: Connect, settings: LinkSettings, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        connect(settings=settings)
    assert str(caught.value) == message


def cut_in_the_write(connect: Connect, target: FakeTarget) -> tuple[Link, BoardflashError]:
    """Pull the cable at each call in turn, until it hits the call that writes."""
    for call in range(1, 200):
        target.memories[RAM][:64] = bytes(64)
        link = None
        try:
            link = connect(faults=LinkFaults(unplug_at_call=call))
            link.write_memory(RAM, b"\x11" * 64)
        except BoardflashError as error:
            assert error.code in (ExitCode.DEVICE_FAILED, ExitCode.NO_PROBE)
            if link is not None and "Communication" in str(error):
                return link, error
        if link is not None:
            with suppress(BoardflashError):
                link.close()
    raise AssertionError("no cut hit the write itself")


def test_a_cable_pulled_during_a_write_leaves_half_of_it(connect: Connect, target: FakeTarget) -> None:
    link, error = cut_in_the_write(connect, target)
    assert target.memories[RAM][:64] == b"\x11" * 32 + bytes(32)
    assert str(error) == (
        "J-Link 746: writing 64 bytes at 0x20000000 failed: Emulator connection error "
        "(Communication with the J-Link was lost)"
    )
    for attempt in (lambda: link.read_memory(RAM, 4), link.is_halted, link.reset_and_run, link.halt):
        with pytest.raises(BoardflashError) as caught:
            attempt()
        assert caught.value.code == ExitCode.DEVICE_FAILED


def test_closing_lets_go_once(connect: Connect) -> None:
    link = connect()
    done: list[str] = []
    link.on_close(lambda: done.append("first"))
    link.on_close(lambda: done.append("second"))
    with link:
        pass
    link.close()
    assert done == ["second", "first"]


def test_pause_and_now_are_on_the_boards_clock(link: Link) -> None:
    before, wall = link.now(), time.monotonic()
    link.pause(30.0)
    assert link.now() - before == pytest.approx(30.0, abs=1e-9)
    assert time.monotonic() - wall < 5
