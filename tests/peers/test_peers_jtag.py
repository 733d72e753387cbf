"""The JTAG chain as IEEE 1149.1 and the JTAG-DP have it, through the characters of remote_bitbang."""

from __future__ import annotations

import pytest

from boardflash.sim.serve.adiv5 import DP, CtrlStat, DebugPort
from boardflash.sim.serve.jtag import BOUNDARY_IDCODE, CPU_IDCODE, NO_DPIDR, CpuInstruction, JtagChain, State
from boardflash.sim.serve.remote_bitbang import Pins
from peers.bench_target import RAM, BenchTarget

READ, WRITE = 1, 0


class Wire:
    """A bit-banging client of the smallest kind: every bit is clocked, every bit is sampled."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.move(1, 1, 1, 1, 1, 0)

    def move(self, *tms: int) -> None:
        assert self.pins.take("".join(f"{2 * bit}{4 + 2 * bit}" for bit in tms).encode()) == b""

    def scan(self, value: int, bits: int) -> int:
        """Shift state to Exit1: the last bit goes with TMS = 1."""
        text = "".join(
            f"{2 * (i == bits - 1) + (value >> i & 1)}R{4 + 2 * (i == bits - 1) + (value >> i & 1)}"
            for i in range(bits)
        )
        return int(self.pins.take(text.encode())[::-1], 2)

    def instruction(self, cpu: int) -> int:
        self.move(1, 1, 0, 0)
        captured = self.scan(0x1F << 4 | cpu, 9)
        self.move(1, 0)
        return captured

    def data(self, value: int, bits: int) -> int:
        self.move(1, 0, 0)
        captured = self.scan(value, bits)
        self.move(1, 0)
        return captured

    def access(self, register: int, value: int, direction: int) -> int:
        """One DPACC or APACC scan; returns the value posted by the scan before, checks the ACK."""
        captured = self.data(value << 3 | register >> 1 & 6 | direction, 36)
        assert captured & 7 == 0b010
        return captured >> 3 & 0xFFFFFFFF


@pytest.fixture
def target() -> BenchTarget:
    return BenchTarget()


@pytest.fixture
def wire(target: BenchTarget) -> Wire:
    return Wire(Pins(JtagChain(DebugPort(target, dpidr=NO_DPIDR, clock_hz=2_000_000))))


@pytest.fixture
def powered(wire: Wire) -> Wire:
    wire.instruction(CpuInstruction.DPACC)
    wire.access(DP.CTRL_STAT, CtrlStat.CDBGPWRUPREQ | CtrlStat.CSYSPWRUPREQ, WRITE)
    return wire


def test_after_reset_both_taps_show_their_idcode_cpu_first(wire: Wire) -> None:
    assert wire.data(0, 64) == BOUNDARY_IDCODE << 32 | CPU_IDCODE


def test_instruction_capture_ends_in_01_for_each_tap(wire: Wire) -> None:
    captured = wire.instruction(CpuInstruction.BYPASS)
    assert captured & 0xF == 1
    assert captured >> 4 == 1


def test_bypass_is_one_bit_a_tap(wire: Wire) -> None:
    wire.instruction(CpuInstruction.BYPASS)
    assert wire.data(0b1011, 6) == 0b101100


def test_an_unknown_instruction_is_bypass(wire: Wire) -> None:
    wire.instruction(0x3)
    assert wire.data(0b11, 4) == 0b1100


def test_reads_are_posted_to_the_next_scan(powered: Wire, target: BenchTarget) -> None:
    target.ram[0:8] = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    powered.instruction(CpuInstruction.APACC)
    powered.access(0x0, 0x12, WRITE)
    powered.access(0x4, RAM, WRITE)
    powered.access(0xC, 0, READ)
    assert powered.access(0xC, 0, READ) == 0x04030201
    powered.instruction(CpuInstruction.DPACC)
    assert powered.access(DP.RDBUFF, 0, READ) == 0x08070605


def test_a_jtag_dp_clears_its_sticky_error_by_writing_it(powered: Wire, target: BenchTarget) -> None:
    power = int(CtrlStat.CDBGPWRUPREQ | CtrlStat.CSYSPWRUPREQ)
    powered.instruction(CpuInstruction.APACC)
    powered.access(0x0, 0x12, WRITE)
    powered.access(0x4, 0x60000000, WRITE)
    powered.access(0xC, 0, READ)
    powered.access(0x4, RAM, WRITE)  # refused: the error stands
    powered.instruction(CpuInstruction.DPACC)
    powered.access(DP.CTRL_STAT, 0, READ)
    assert powered.access(DP.CTRL_STAT, power | CtrlStat.STICKYERR, WRITE) & CtrlStat.STICKYERR
    powered.access(DP.CTRL_STAT, 0, READ)
    assert not powered.access(DP.RDBUFF, 0, READ) & CtrlStat.STICKYERR
    assert powered.pins.chain.port.ap.tar == 0x60000000


def test_five_ones_reset_from_every_state() -> None:
    for state in State:
        chain = JtagChain(DebugPort(BenchTarget(), dpidr=NO_DPIDR, clock_hz=2_000_000))
        chain.state = state
        for _ in range(5):
            chain.clock(1, 0)
        assert chain.state == State.RESET


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 64])
def test_packets_may_be_cut_anywhere(cut: int) -> None:
    """The same characters in pieces of any length give the same answer as in one."""

    def session(length: int) -> bytes:
        target = BenchTarget()
        pins = Pins(JtagChain(DebugPort(target, dpidr=NO_DPIDR, clock_hz=2_000_000)))
        text = b"26" * 5 + b"04" + b"26" + b"04" * 2 + b"0R41R5" * 31 + b"2R6" + b"26" + b"04" * 9
        return b"".join(pins.take(text[i : i + length]) for i in range(0, len(text), length))

    whole = session(10_000)
    assert len(whole) == 63
    assert int(whole[:32][::-1], 2) == CPU_IDCODE
    assert session(cut) == whole


def test_each_rising_edge_is_time_on_the_board(powered: Wire, target: BenchTarget) -> None:
    powered.instruction(CpuInstruction.APACC)
    powered.access(0x0, 0x12, WRITE)
    port = powered.pins.chain.port
    before, clocks = target.clock.now_ps, port.counts.clocks
    powered.pins.take(b"04" * 100)
    powered.access(0x4, RAM, WRITE)
    edges = 100 + 3 + 36 + 1  # idle, to Shift-DR, the bits, into Update-DR
    assert port.counts.clocks - clocks == edges + 1  # and the step from the last Update-DR to idle
    assert target.clock.now_ps - before == (edges + 1) * 500_000
