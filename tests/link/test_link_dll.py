"""The simulated J-Link library answers as SEGGER's: codes, counts, costs, and a cache that goes stale."""

from __future__ import annotations

import ctypes
from typing import Any

import pylink
import pytest
from fake_target import FLASH, RAM, Connect, FakeTarget

from boardflash.link.jlink import Link, LinkSettings
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_wire import CALL_COSTS, LinkCosts

CLOCK_4MHZ_PS = 250_000
CALL_PS = 1_000_000_000


def opened(target: FakeTarget, *, cache: bool = True) -> pylink.JLink:
    jlink = pylink.JLink(lib=SimulatedJLink({1: target}), log=str, detailed_log=str, error=str, warn=str)
    jlink.open()
    jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
    jlink.connect("STM32F746NG", speed=4000)
    if not cache:
        jlink.exec_command("SetEnableMemCache = 0")
    return jlink


def spent(target: FakeTarget, action: Any) -> int:
    before = target.clock.now_ps
    action()
    return target.clock.now_ps - before


def test_a_kibibyte_costs_257_words_and_one_round_trip(link: Link, target: FakeTarget) -> None:
    words = 1 + 256  # TAR, then the data
    assert spent(target, lambda: link.read_memory(RAM, 1024)) == CALL_PS + words * 46 * CLOCK_4MHZ_PS
    assert spent(target, lambda: link.write_memory(RAM, bytes(1024))) == CALL_PS + words * 46 * CLOCK_4MHZ_PS


def test_the_address_register_is_written_again_every_kibibyte(link: Link, target: FakeTarget) -> None:
    whole = CALL_PS + (4 + 1024) * 46 * CLOCK_4MHZ_PS
    assert spent(target, lambda: link.read_memory(RAM, 4096)) == whole
    crossing = CALL_PS + (5 + 1024) * 46 * CLOCK_4MHZ_PS
    assert spent(target, lambda: link.read_memory(RAM + 512, 4096)) == crossing


def test_calls_about_the_probe_alone_cost_nothing(link: Link, target: FakeTarget) -> None:
    def ask() -> None:
        assert link.product and link.firmware and link.supply_mv() and link.speed_khz

    assert spent(target, ask) == 0


def test_an_access_to_memory_costs_one_round_trip(link: Link, target: FakeTarget) -> None:
    assert spent(target, lambda: link.write_u32(RAM, 0)) == CALL_PS + 2 * 46 * CLOCK_4MHZ_PS


def spent_opening(target: FakeTarget, costs: LinkCosts | None = None) -> tuple[int, int, list[int]]:
    """What opening and connecting cost, and then a reset, a question whether the core stands, and a start."""
    jlink = pylink.JLink(
        lib=SimulatedJLink({1: target}, costs=costs), log=str, detailed_log=str, error=str, warn=str
    )
    opening = spent(target, lambda: jlink.open(serial_no=1))
    jlink.set_tif(pylink.enums.JLinkInterfaces.SWD)
    dll = jlink._dll
    jlink.exec_command("SetRestartOnClose = 0")
    connecting = spent(target, lambda: jlink.exec_command("Device = STM32F746NG"))
    actions = (dll.JLINKARM_Reset, dll.JLINKARM_IsHalted, lambda: dll.JLINKARM_GoEx(0, 0), dll.JLINKARM_Halt)
    return opening, connecting, [spent(target, action) for action in actions]


def test_control_calls_cost_what_they_cost_in_the_logs(target: FakeTarget) -> None:
    ms = CALL_PS
    opening, connecting, (reset, halted, go, halt) = spent_opening(target)
    assert 114 * ms <= opening <= 131 * ms
    assert 137 * ms <= connecting <= 234 * ms
    assert 66 * ms <= reset <= 76 * ms
    assert 0.7 * ms <= halted == halt <= 2.7 * ms
    assert 2.8 * ms <= go <= 7.6 * ms


def test_flat_costs_by_name(target: FakeTarget) -> None:
    assert spent_opening(target, CALL_COSTS["flat"]) == (0, CALL_PS, [CALL_PS] * 4)
    assert CALL_COSTS["real"] == LinkCosts()


@pytest.mark.parametrize(
    ("khz", "real", "flat"),
    [
        (4000, 347_826, 347_826),
        (11_000, 956_521, 956_521),
        (12_000, 1_000_000, 1_043_478),
        (15_000, 1_000_000, 1_304_347),
    ],
)
def test_a_probe_moves_a_megabyte_a_second_at_most(
    target: FakeTarget, connect: Connect, khz: int, real: int, flat: int
) -> None:
    """46 clocks a word are what the log of a J-Link V9 shows at 4 MHz; above 11.5 MHz USB is the limit."""
    size = 128 * 1024
    for name, rate in (("real", real), ("flat", flat)):
        link = connect(costs=CALL_COSTS[name], settings=LinkSettings("STM32F746NG", speed_khz=khz))
        took = spent(target, lambda link=link: link.write_memory(RAM, bytes(size))) - CALL_PS
        words = size // 4 + size // 1024
        assert words * 4 / (took / 1e12) == pytest.approx(rate, rel=1e-4)
        link.close()


def test_other_costs_by_option(connect: Connect, target: FakeTarget) -> None:
    link = connect(costs=LinkCosts(swd_clocks_per_word=50, call_latency_us=125))
    assert spent(target, lambda: link.read_u32(RAM)) == 125_000_000 + 2 * 50 * CLOCK_4MHZ_PS


def test_the_core_proceeds_during_a_transfer(link: Link, target: FakeTarget) -> None:
    target.advances.clear()
    link.write_memory(RAM, bytes(64 * 1024))
    assert len(target.advances) == 64 + 2
    assert max(target.advances[1:-1]) == 257 * 46 * CLOCK_4MHZ_PS


def test_no_time_is_lost_to_rounding(target: FakeTarget) -> None:
    jlink = opened(target, cache=False)
    jlink.set_speed(7001)
    total = spent(target, lambda: [jlink.memory_read32(RAM, 1) for _ in range(7001)])
    assert total - 7001 * CALL_PS == 2 * 46 * 1_000_000_000


def test_flash_is_answered_from_a_stale_copy_until_the_cache_is_off(target: FakeTarget) -> None:
    jlink = opened(target)
    assert jlink.memory_read32(FLASH, 256) == [0xFFFF_FFFF] * 256
    target.memories[FLASH][:4] = bytes(4)  # the target programs its own flash
    assert jlink.memory_read32(FLASH, 256)[0] == 0xFFFF_FFFF
    jlink.exec_command("SetEnableMemCache = 0")
    assert jlink.memory_read32(FLASH, 256)[0] == 0


def test_ram_is_never_answered_from_the_copy(target: FakeTarget) -> None:
    jlink = opened(target)
    jlink.memory_read32(RAM, 256)
    target.memories[RAM][:4] = b"\x01\0\0\0"
    assert jlink.memory_read32(RAM, 1) == [1]


def test_a_link_reads_flash_itself(link: Link, target: FakeTarget) -> None:
    link.read_memory(FLASH, 1024)
    target.memories[FLASH][:4] = bytes(4)
    assert link.read_u32(FLASH) == 0


def test_nothing_works_before_open(target: FakeTarget) -> None:
    dll = SimulatedJLink({1: target}).dll()
    buffer = (ctypes.c_uint32 * 4)()
    assert dll.JLINKARM_IsOpen() == 0
    assert dll.JLINKARM_ReadMemEx(RAM, 16, buffer, 4) == -258
    assert dll.JLINKARM_WriteMemEx(RAM, 16, buffer, 4) == -258
    assert dll.JLINKARM_Reset() == dll.JLINKARM_Halt() == dll.JLINKARM_IsHalted() == -258
    assert dll.JLINKARM_GetHWStatus(None) == 1
    assert dll.JLINKARM_HasError() == -258


def test_an_open_probe_without_a_device_has_no_target(target: FakeTarget) -> None:
    library = SimulatedJLink({1: target})
    jlink = pylink.JLink(lib=library, error=str)
    jlink.open()
    assert library.dll().JLINKARM_Connect() == -273
    library.dll().JLINKARM_ExecCommand(b"Device = STM32F746NG", ctypes.create_string_buffer(336), 336)
    assert library.dll().JLINKARM_Connect() == -261  # the interface is still JTAG
    assert library.dll().JLINKARM_TIF_Select(1) == 0
    assert library.dll().JLINKARM_Connect() == 0
    jlink.close()
    assert library.dll().JLINKARM_IsConnected() == 0


def test_misaligned_and_too_large_accesses_are_refused(target: FakeTarget) -> None:
    opened(target)
    jlink = opened(target)
    for address, units in ((RAM + 1, 1), (RAM + 2, 4)):
        with pytest.raises(pylink.errors.JLinkReadException):
            jlink.memory_read32(address, units)
    with pytest.raises(pylink.errors.JLinkReadException):
        jlink.memory_read32(0xFFFF_FFFC, 2)


def test_a_range_that_ends_in_nothing_is_read_short(target: FakeTarget) -> None:
    end = RAM + len(target.memories[RAM])
    buffer = (ctypes.c_uint32 * 1024)()
    assert opened(target)._dll.JLINKARM_ReadMemEx(end - 2048, 4096, buffer, 4) == 2048


@pytest.mark.parametrize("nbits", [8, 16, 32])
def test_bytes_are_counted_at_every_width(target: FakeTarget, nbits: int) -> None:
    jlink = opened(target)
    values = [n & 0xFF for n in range(300)]
    assert jlink.memory_write(RAM, values, nbits=nbits) == 300 * nbits // 8
    buffer = (ctypes.c_uint8 * 1200)()
    assert jlink._dll.JLINKARM_ReadMemEx(RAM, 1200, buffer, nbits // 8) == 1200
    assert jlink.memory_read(RAM, 300, nbits=nbits) == values
    assert target.widths[-1] == nbits // 8


def test_single_values_and_64_bits(target: FakeTarget) -> None:
    jlink = opened(target)
    jlink.memory_write8(RAM, [0xA5])
    assert jlink.memory_write64(RAM + 8, [0x1122334455667788]) == 8  # bytes
    assert jlink.memory_read64(RAM + 8, 1) == [0x1122334455667788]


def test_multiple_registers_and_names(target: FakeTarget) -> None:
    jlink = opened(target)
    jlink.reset(halt=True)
    jlink.register_write_multiple([0, 1, 15], [1, 0xFFFF_FFFF, 0x0800_0001])
    assert jlink.register_read_multiple([15, 1, 0]) == [0x0800_0001, 0xFFFF_FFFF, 1]
    assert jlink.register_name(16) == "XPSR"
    assert 18 in jlink.register_list()


def test_hardware_breakpoints_use_comparators_until_none_is_left(target: FakeTarget) -> None:
    jlink = opened(target)
    handles = [jlink.hardware_breakpoint_set(0x0800_0100 + 2 * n, thumb=True) for n in range(8)]
    with pytest.raises(pylink.errors.JLinkException, match="could not be set"):
        jlink.hardware_breakpoint_set(0x0800_0200)
    assert jlink.breakpoint_clear(handles[3])
    assert not jlink.breakpoint_clear(handles[3])
    assert jlink.hardware_breakpoint_set(0x0800_0200) > 0
    assert jlink.breakpoint_clear_all()


def test_restart_steps_by_count(target: FakeTarget) -> None:
    jlink = opened(target)
    jlink.reset(halt=True)
    assert jlink.restart(num_instructions=3)
    assert target.steps == 3
    assert jlink.halted()


def test_an_unknown_export_or_command_is_an_error(target: FakeTarget) -> None:
    jlink = opened(target)
    with pytest.raises(AttributeError):
        jlink.erase()
    with pytest.raises(pylink.errors.JLinkException, match="Unknown command"):
        jlink.exec_command("UpdateTheFirmware")


def test_the_second_of_two_boards_is_opened_by_serial() -> None:
    first, second = FakeTarget(), FakeTarget(supply_mv=1800)
    jlink = pylink.JLink(lib=SimulatedJLink({1: first, 424242: lambda: second}))
    with pytest.raises(pylink.errors.JLinkException, match="No emulator with serial number 5 found"):
        jlink.open(serial_no=5)
    jlink.open(serial_no=424242)
    assert jlink.serial_number == 424242
    assert jlink.hardware_status.VTarget == 1800
    jlink.close()
