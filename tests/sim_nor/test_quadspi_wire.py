"""Where host and chip disagree, and what is then on the wire (nor-behaviour.md 4 to 7).

The chip holds 12 34 56 78 ... and undriven lines are high.
"""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import (
    ABR,
    AR,
    BUSY,
    CCR,
    CR,
    DLR,
    DR,
    JV_IM,
    JV_IQ,
    N25Q,
    POLL,
    PSMAR,
    PSMKR,
    READ,
    SMF,
    Controller,
    Pads,
    ccr,
)

CONTENT = bytes.fromhex("12345678 9ABCDEF0 0FEDCBA9 87654321")
ID = ccr(0x9F, READ, lines=(1, 0, 1))


def loaded(name: str, **more: object) -> Controller:
    c = Controller(name, **more)  # type: ignore[arg-type]
    c.chip.array[: len(CONTENT)] = CONTENT
    return c


def quad_io(dummies: int, mode: bool = True) -> int:
    return ccr(0xEB, READ, lines=(1, 4, 4), alternate=(4, 1) if mode else (0, 0), dummies=dummies)


def quad_out(dummies: int) -> int:
    return ccr(0x6B, READ, lines=(1, 1, 4), dummies=dummies)


def nibbles(text: str) -> bytes:
    return bytes.fromhex(text)


class TestRightReads:
    @pytest.mark.parametrize(
        "command",
        [
            ccr(0x03, lines=(1, 1, 1)),
            ccr(0x0B, lines=(1, 1, 1), dummies=8),
            ccr(0x3B, lines=(1, 1, 2), dummies=8),
            quad_out(8),
        ],
    )
    @pytest.mark.parametrize("name", [N25Q, JV_IQ])
    def test_reads_that_both_have(self, name: str, command: int) -> None:
        assert loaded(name).read(command, 16, 0) == CONTENT

    def test_quad_io_on_winbond_is_two_mode_and_four_dummy_clocks(self) -> None:
        c = loaded(JV_IQ)
        c.w(ABR, 0xFF)
        assert c.read(quad_io(4), 16, 0) == CONTENT
        assert c.read(quad_io(6, mode=False), 16, 0) == CONTENT

    def test_quad_io_on_micron_is_ten_dummy_clocks(self) -> None:
        assert loaded(N25Q).read(quad_io(10, mode=False), 16, 0) == CONTENT

    @pytest.mark.parametrize("name", [N25Q, JV_IQ])
    def test_quad_page_program(self, name: str) -> None:
        c = Controller(name)
        data = bytes(range(256))
        c.program(ccr(0x32, lines=(1, 1, 4)), data, 0x4000)
        assert c.chip.array[0x4000:0x4100] == data
        assert c.chip.stats.pages_programmed == 1


class TestDummyClocks:
    """A clock too few or too many shifts the stream by a nibble on four lines, by a bit on one."""

    def test_one_clock_too_many_loses_a_nibble(self) -> None:
        assert loaded(N25Q).read(quad_out(9), 4, 0) == nibbles("23456789")

    def test_one_clock_too_few_begins_with_the_floating_bus(self) -> None:
        assert loaded(N25Q).read(quad_out(7), 4, 0) == nibbles("F1234567")

    def test_winbond_dummies_on_a_micron(self) -> None:
        """EBh with 6 clocks instead of 10: four nibbles of pull-ups first."""
        assert loaded(N25Q).read(quad_io(6, mode=False), 6, 0) == nibbles("FFFF12345678")

    def test_micron_dummies_on_a_winbond(self) -> None:
        assert loaded(JV_IQ).read(quad_io(10, mode=False), 4, 0) == nibbles("56789ABC")

    def test_on_one_line_it_is_bits(self) -> None:
        too_many = loaded(JV_IQ).read(ccr(0x0B, lines=(1, 1, 1), dummies=9), 3, 0)
        whole = int.from_bytes(CONTENT[:4], "big")
        assert too_many == (whole << 1 & 0xFFFFFFFF).to_bytes(4, "big")[:3]
        too_few = loaded(JV_IQ).read(ccr(0x0B, lines=(1, 1, 1), dummies=7), 3, 0)
        assert too_few == (1 << 31 | whole >> 1).to_bytes(4, "big")[:3]

    def test_a_shifted_bulk_read_is_shifted_throughout(self) -> None:
        c = Controller(N25Q)
        content = bytes(n * 7 & 0xFF for n in range(1 << 16))
        c.chip.array[: 1 << 16] = content
        data = c.read(quad_out(7), 20_000, 0)
        assert data.hex() == "f" + content[:20_000].hex()[:-1]

    def test_several_lines_without_any_dummy_clock_lose_the_first_byte(self) -> None:
        """QPI polling of 05h with no dummies fails, with two it works (ST staff)."""
        for dummies, works in ((0, False), (2, True)):
            c = Controller(N25Q, qpi=True)
            c.w(CR, c.r(CR) | 1 << 22)
            c.w(PSMKR, 0x01)
            c.w(PSMAR, 0x00)
            c.w(DLR, 0)
            c.w(CCR, ccr(0x05, POLL, lines=(4, 0, 4), dummies=dummies))
            c.wait(10**9)
            assert bool(c.sr & SMF) is works


class TestLineCounts:
    def test_one_line_read_of_a_four_line_answer_sees_io1_only(self) -> None:
        # 6Bh answers 12 34 56 78 9A BC DE F0 in nibbles; IO1 is their bit 1:
        # 1 2 3 4 5 6 7 8 -> 0 1 1 0 0 1 1 0; 9 A B C D E F 0 -> 0 1 1 0 0 1 1 0
        data = loaded(JV_IQ).read(ccr(0x6B, lines=(1, 1, 1), dummies=8), 2, 0)
        assert data == bytes([0b01100110, 0b01100110])

    def test_four_line_read_of_a_one_line_answer_sees_pull_ups_and_bits(self) -> None:
        # 12h = 0001 0010 on IO1, the other lines high: nibbles D D D F D D F D.
        data = loaded(JV_IQ).read(ccr(0x0B, lines=(1, 1, 4), dummies=8), 4, 0)
        assert data == nibbles("DDDFDDFD")

    def test_address_on_four_lines_for_a_one_line_command(self) -> None:
        """The chip still waits for its address when the host begins to listen."""
        data = loaded(JV_IQ).read(ccr(0x03, lines=(1, 4, 1)), 4, 0)
        # Six clocks of address 000000 give it six zero bits, then 18 ones from the floating IO0: 03FFFFh,
        # beyond the content: FFh.
        assert data == b"\xff" * 4


class TestQuadEnable:
    def test_a_quad_read_with_qe_clear_shows_the_floating_bus(self) -> None:
        assert loaded(JV_IM).read(quad_out(8), 4, 0) == b"\xff" * 4

    def test_erase_works_and_quad_program_does_nothing(self) -> None:
        """Erase OK, verify fails."""
        c = loaded(JV_IM)
        c.erase(0x20, 0)
        c.ready()
        assert c.chip.array[:16] == b"\xff" * 16
        c.program(ccr(0x32, lines=(1, 1, 4)), CONTENT, 0)
        assert c.chip.array[:16] == b"\xff" * 16
        c.program(ccr(0x02, lines=(1, 1, 1)), CONTENT, 0)
        assert c.chip.array[:16] == CONTENT

    def test_setting_qe_makes_the_same_read_work(self) -> None:
        c = loaded(JV_IM)
        c.command(0x06)
        c.write(ccr(0x31, lines=(1, 0, 1)), b"\x02")
        c.ready()
        assert c.read(quad_out(8), 16, 0) == CONTENT

    def test_srp_cannot_be_undone_while_io2_is_write_protect(self) -> None:
        """The controller holds IO2 low in one-line phases."""
        c = Controller(JV_IM, registers=(("sr1", 0x9C),))
        c.command(0x06)
        c.write(ccr(0x01, lines=(1, 0, 1)), b"\x00")
        assert c.status() & 0xFC == 0x9C


class TestChipLeftInAMode:
    def test_qpi(self) -> None:
        c = loaded(N25Q, qpi=True)
        assert c.read(ID, 3) == b"\xff" * 3
        assert c.read(ccr(0xAF, READ, lines=(4, 0, 4), dummies=2), 2) != b"\xff" * 2
        c.command(0x66)
        c.command(0x99)
        assert c.read(ID, 3) == b"\xff" * 3, "not heard on one line"
        c.w(CCR, ccr(0x66, lines=(4, 0, 0)))
        c.until(BUSY, False)
        c.w(CCR, ccr(0x99, lines=(4, 0, 0)))
        c.until(BUSY, False)
        c.wait(10**9)
        assert c.read(ID, 3) == bytes.fromhex("20BA18")

    def test_continuous_read_is_left_by_ffh(self) -> None:
        c = loaded(JV_IQ, continuous_read=True)
        assert c.read(ID, 3) != bytes.fromhex("EF4018")
        c = loaded(JV_IQ, continuous_read=True)
        c.command(0xFF)
        assert c.read(ID, 3) == bytes.fromhex("EF4018")

    def test_a_floating_mode_byte_is_ones_with_pull_ups(self) -> None:
        c = loaded(JV_IQ)
        c.read(quad_io(6, mode=False), 4, 0)
        assert c.read(ID, 3) == bytes.fromhex("EF4018")

    def test_a_wrong_mode_byte_enters_continuous_read(self) -> None:
        c = loaded(JV_IQ)
        c.w(ABR, 0x20)
        c.read(quad_io(4), 4, 0)
        assert c.read(ID, 3) != bytes.fromhex("EF4018")

    def test_busy_with_an_erase_begun_earlier(self) -> None:
        c = loaded(N25Q, busy_ms=5000)
        assert c.read(ID, 3) == b"\xff" * 3
        assert c.status() == 0x03
        c.ready()
        assert c.clock.now_ps == pytest.approx(5000 * 10**9, rel=1e-4)
        assert c.read(ID, 3) == bytes.fromhex("20BA18")


class TestWiring:
    @pytest.mark.parametrize("signal", ["clk", "ncs"])
    def test_without_clock_or_select_the_chip_sees_nothing(self, signal: str) -> None:
        c = loaded(JV_IQ, pads=Pads(missing=(signal,)))
        assert c.read(ID, 3) == b"\xff" * 3
        c.command(0x06)
        c.pads.missing.clear()
        assert c.status() == 0x00

    def test_without_io0_no_opcode_arrives(self) -> None:
        assert loaded(JV_IQ, pads=Pads(missing=("io0",))).read(ID, 3) == b"\xff" * 3

    def test_without_io1_nothing_comes_back(self) -> None:
        c = loaded(JV_IQ, pads=Pads(missing=("io1",)))
        assert c.read(ID, 3) == b"\xff" * 3
        c.command(0x06)
        c.pads.missing.clear()
        assert c.status() == 0x02

    def test_without_io2_only_four_line_phases_suffer(self) -> None:
        c = loaded(JV_IQ, pads=Pads(missing=("io2",)))
        assert c.read(ID, 3) == bytes.fromhex("EF4018")
        assert c.read(ccr(0x03, lines=(1, 1, 1)), 16, 0) == CONTENT
        # Bit 2 of each nibble reads high: 1 2 3 4 5 6 7 8 -> 5 6 7 4 5 6 7 C
        assert c.read(quad_out(8), 4, 0) == nibbles("5674567C")

    def test_a_missing_io3_programs_its_bits_high(self) -> None:
        c = Controller(JV_IQ, pads=Pads(missing=("io3",)))
        c.program(ccr(0x32, lines=(1, 1, 4)), b"\x12\x34", 0)
        assert c.chip.array[:2] == b"\x9a\xbc"

    def test_swapped_io0_and_io1(self) -> None:
        c = loaded(JV_IQ, pads=Pads(swapped={"io0": "io1", "io1": "io0"}))
        assert c.read(ID, 3) == b"\xff" * 3

    def test_swapped_io2_and_io3_swap_bits_of_quad_data_only(self) -> None:
        # The controller's low IO2 lies on the chip's IO3 in one-line phases: with QE set no HOLD#.
        c = loaded(JV_IQ, pads=Pads(swapped={"io2": "io3", "io3": "io2"}))
        assert c.read(ID, 3) == bytes.fromhex("EF4018")
        # 1 2 3 4 5 6 7 8 -> 1 2 3 8 9 A B 4
        assert c.read(quad_out(8), 4, 0) == nibbles("12389AB4")

    def test_swapped_io2_and_io3_hold_a_chip_without_quad_enable(self) -> None:
        c = loaded(JV_IM, pads=Pads(swapped={"io2": "io3", "io3": "io2"}))
        assert c.read(ID, 3) == b"\xff" * 3

    def test_no_chip_reads_as_pull_ups(self) -> None:
        assert Controller(None).read(ID, 3) == b"\xff" * 3


class TestAddressWidth:
    def test_four_address_bytes_for_a_three_byte_read_shift_the_data(self) -> None:
        """The chip takes 00 00 00 of 00 00 00 02 and answers during the last byte."""
        c = loaded(JV_IQ)
        assert c.read(ccr(0x03, lines=(1, 1, 1), address_bytes=4), 4, 2) == CONTENT[1:5]

    def test_four_address_bytes_for_a_three_byte_program(self) -> None:
        """The low address byte is stored as data, at the address without it."""
        c = Controller(JV_IQ)
        c.program(ccr(0x02, lines=(1, 1, 1), address_bytes=4), b"\x11\x22", 0x00123456)
        assert c.chip.array[0x001234:0x001238] == b"\x56\x11\x22\xff"

    def test_four_address_bytes_for_a_three_byte_erase_are_dropped(self) -> None:
        c = loaded(JV_IQ)
        c.erase(0x20, 0, address_bytes=4)
        assert c.status() == 0x02
        assert c.chip.array[:16] == CONTENT

    def test_32_mib_fsize_on_a_16_mib_chip_reads_the_lower_half_twice(self) -> None:
        c = loaded(JV_IQ, fsize=24)
        assert c.read(ccr(0x03, lines=(1, 1, 1)), 16, 0x0100_0000) == CONTENT
        c.erase(0x20, 0x0100_0000)
        c.ready()
        assert c.chip.array[:16] == b"\xff" * 16, "the erase of the 17th MiB hit the first"

    def test_dr_after_a_short_read_keeps_no_secret(self) -> None:
        c = loaded(JV_IQ)
        c.w(DLR, 1)
        c.w(CCR, ccr(0x03, READ, lines=(1, 1, 1)))
        c.w(AR, 0)
        assert c.r(DR, 2) == 0x3412
