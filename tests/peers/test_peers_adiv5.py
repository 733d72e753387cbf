"""The debug port model keeps to the Arm Debug Interface (IHI 0031), seen from the wire's side."""

from __future__ import annotations

import pytest

from boardflash.sim.serve.adiv5 import (
    AHB_AP_IDR,
    AP,
    DP,
    SWD_DPIDR,
    TRANSFER_CLOCKS,
    CtrlStat,
    DebugPort,
    Fault,
)
from peers.bench_target import RAM, BenchTarget

POWER_UP = CtrlStat.CDBGPWRUPREQ | CtrlStat.CSYSPWRUPREQ


@pytest.fixture
def target() -> BenchTarget:
    return BenchTarget()


@pytest.fixture
def port(target: BenchTarget) -> DebugPort:
    port = DebugPort(target, dpidr=SWD_DPIDR, clock_hz=4_000_000)
    port.write_dp(DP.CTRL_STAT, POWER_UP)
    return port


def set_ap(port: DebugPort, register: int, value: int) -> None:
    port.write_dp(DP.SELECT_RESEND, register & 0xF0)
    port.write_ap(register & 0xC, value)


def get_ap(port: DebugPort, register: int) -> int:
    port.write_dp(DP.SELECT_RESEND, register & 0xF0)
    return port.read_ap(register & 0xC)


def point(port: DebugPort, address: int, csw: int) -> None:
    set_ap(port, AP.CSW, csw)
    set_ap(port, AP.TAR, address)


def test_identification_registers_are_those_of_an_stm32f7(port: DebugPort) -> None:
    assert port.read_dp(DP.ABORT_DPIDR) == SWD_DPIDR
    assert get_ap(port, AP.IDR) == AHB_AP_IDR
    assert get_ap(port, AP.BASE) == 0xE00FF003
    assert get_ap(port, AP.CFG) == 0


def test_an_access_port_that_does_not_exist_reads_zero(port: DebugPort) -> None:
    port.write_dp(DP.SELECT_RESEND, 1 << 24 | 0xF0)
    assert port.read_ap(AP.IDR & 0xC) == 0


def test_power_up_requests_are_acknowledged(port: DebugPort) -> None:
    status = port.read_dp(DP.CTRL_STAT)
    assert status & CtrlStat.CDBGPWRUPACK
    assert status & CtrlStat.CSYSPWRUPACK


def test_without_debug_power_the_access_port_faults(target: BenchTarget) -> None:
    port = DebugPort(target, dpidr=SWD_DPIDR, clock_hz=4_000_000)
    with pytest.raises(Fault):
        port.read_ap(AP.TAR)
    assert port.read_dp(DP.CTRL_STAT) & CtrlStat.STICKYERR
    assert target.accesses == []


def test_tar_increment_wraps_at_one_kibibyte(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM + 0x7FC, 0x12)
    port.write_ap(AP.DRW, 0x11111111)
    port.write_ap(AP.DRW, 0x22222222)
    assert target.ram[0x7FC:0x800] == b"\x11" * 4
    assert target.ram[0x400:0x404] == b"\x22" * 4
    assert target.ram[0x800:0x804] == bytes(4)


def test_without_increment_tar_stays(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM, 0x02)
    port.read_ap(AP.DRW)
    port.read_ap(AP.DRW)
    assert get_ap(port, AP.TAR) == RAM


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (1, 1), (2, 1), (3, 1), (0, 2), (2, 2)])
def test_narrow_transfers_travel_in_their_byte_lanes(
    port: DebugPort, target: BenchTarget, offset: int, size: int
) -> None:
    target.ram[0:4] = b"\xa0\xb1\xc2\xd3"
    point(port, RAM + offset, 0x10 | (size - 1))
    lanes = port.read_ap(AP.DRW)
    mask = ((1 << 8 * size) - 1) << (8 * offset)
    assert lanes & mask == 0xD3C2B1A0 & mask
    point(port, RAM + offset, 0x10 | (size - 1))
    port.write_ap(AP.DRW, 0x44332211)
    expected = bytearray(b"\xa0\xb1\xc2\xd3")
    expected[offset : offset + size] = b"\x11\x22\x33\x44"[offset : offset + size]
    assert target.ram[0:4] == expected
    assert {width for _, _, width in target.accesses} == {size}


def test_packed_transfers_move_a_word_by_single_bytes(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM + 8, 0x20)
    port.write_ap(AP.DRW, 0x44332211)
    assert target.ram[8:12] == b"\x11\x22\x33\x44"
    assert target.accesses == [("write", RAM + 8 + i, 1) for i in range(4)]
    assert get_ap(port, AP.TAR) == RAM + 12


def test_banked_data_registers_reach_four_words_and_leave_tar(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM + 0x24, 0x12)
    for index in range(4):
        set_ap(port, AP.BD0 + 4 * index, index + 1)
    assert target.ram[0x20:0x30] == b"".join(n.to_bytes(4, "little") for n in (1, 2, 3, 4))
    assert get_ap(port, AP.TAR) == RAM + 0x24


def test_a_bus_error_sticks_until_it_is_cleared(port: DebugPort, target: BenchTarget) -> None:
    point(port, 0x60000000, 0x12)
    with pytest.raises(Fault):
        port.read_ap(AP.DRW)
    assert port.read_dp(DP.CTRL_STAT) & CtrlStat.STICKYERR
    port.abort(1 << 3)
    with pytest.raises(Fault):
        port.write_ap(AP.TAR, RAM)
    port.abort(1 << 2)
    port.write_ap(AP.TAR, RAM)
    assert port.read_ap(AP.DRW) == 0
    assert port.counts.faults == 1


def test_an_unaligned_word_is_a_bus_error(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM + 2, 0x12)
    with pytest.raises(Fault):
        port.read_ap(AP.DRW)
    assert target.accesses == []


def test_the_board_lives_through_the_time_on_the_wire(port: DebugPort, target: BenchTarget) -> None:
    point(port, RAM, 0x12)
    before = target.clock.now_ps
    for _ in range(1000):
        port.spend(TRANSFER_CLOCKS)
        port.read_ap(AP.DRW)
    assert target.clock.now_ps - before == 1000 * TRANSFER_CLOCKS * 250_000
    assert port.counts.ap_reads == 1000


@pytest.mark.parametrize("catch", [0, 1])
def test_reset_pin_holds_the_core_and_vector_catch_keeps_it(
    port: DebugPort, target: BenchTarget, catch: int
) -> None:
    port.reset_pin(True)
    assert target.halted()
    target.write_memory(0xE000EDFC, catch.to_bytes(4, "little"), 4)
    port.reset_pin(False)
    assert target.halted() == bool(catch)
