"""Start states, faults by option, and what the board saves."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from boardflash.errors import BoardflashError
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.nor import ChipOptions, StuckBit, create_chip, part_names
from boardflash.sim.nor.options import OPTION_NAMES
from boardflash.sim.state import BoardState
from boardflash.sim.target import VirtualClock
from boardflash.sim.twin import Twin, load_twin
from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, Pins, on_four_lines, on_one_line


def test_a_bit_that_cannot_be_cleared() -> None:
    pins = Pins(JV_IQ, stuck=(StuckBit(0x100, 3, 1),))
    pins.write(bytes.fromhex("02 000100 00 00"))
    assert pins.chip.array[0x100:0x102] == b"\x08\x00"


def test_a_bit_that_cannot_be_set() -> None:
    pins = Pins(JV_IQ, stuck=(StuckBit(0x100, 3, 0),))
    assert pins.chip.array[0x100] == 0xF7
    pins.write(bytes.fromhex("20 000000"))
    assert pins.chip.array[0x0FF:0x102] == b"\xff\xf7\xff"


def test_a_failing_erase_sets_the_flag_on_micron_and_nothing_on_winbond() -> None:
    for name in (N25Q, JV_IQ):
        pins = Pins(name, erase_fails=(0x1800,))
        pins.chip.array[0x1000] = 0x12
        pins.write(bytes.fromhex("20 001000"))
        assert pins.chip.array[0x1000] == 0x12
        assert pins.status & 1 == 0
        if name == N25Q:
            assert pins.spi(b"\x70", 1) == b"\xa0"
        pins.spi(b"\x50")
        pins.write(bytes.fromhex("20 002000"))
        assert pins.chip.stats.erases == {4096: 1}


def test_a_slow_erase() -> None:
    pins = Pins(N25Q, erase_time_factor=10.0)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.finish() == 2500 * MS


def test_another_id() -> None:
    pins = Pins(JV_IQ, jedec_id=bytes.fromhex("EF 40 17"))
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 17")


def test_the_start_state_ends_with_the_first_power_cycle() -> None:
    pins = Pins(N25Q, qpi=True)
    pins.chip.power_cycle()
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("20 BA 18")


def test_registers_and_array_are_saved_and_restored() -> None:
    pins = Pins(JV_IM)
    pins.write(bytes.fromhex("01 0C 02"))
    assert pins.chip.nonvolatile() == {"sr1": 0x0C, "sr2": 0x02, "sr3": 0x60}
    other = Pins(JV_IM, deep_power_down=True)
    other.chip.restore(pins.chip.nonvolatile())
    assert other.spi(b"\x9f", 1) == b"\xff", "the start state stays"
    other.spi(b"\xab")
    other.wait(MS)
    assert other.status == 0x0C
    assert other.spi(b"\x35", 1) == b"\x02"
    n25q = Pins(N25Q)
    n25q.write(bytes.fromhex("01 24"))
    assert n25q.chip.nonvolatile() == {"sr": 0x24, "nvcr": 0xFFFF}


def test_order_numbers_with_package_codes_are_known() -> None:
    assert create_chip("N25Q128A13ESE40", VirtualClock()).name == N25Q
    assert {"MX25L51245G", "N25Q128A13", "W25Q128JV-IM", "W25Q128JV-IQ"} <= set(part_names())
    assert all(create_chip(name, VirtualClock()).name == name for name in part_names())


def test_an_unknown_chip_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BoardflashError, match=r"N25Q128A13, .*W25Q128JV-IM, W25Q128JV-IQ"):
        create_chip("W25Q80DV", VirtualClock())


def test_options_from_a_table() -> None:
    table = {
        "qpi": True,
        "busy_ms": 5,
        "registers": {"sr1": 0x1C},
        "stuck": [{"address": 5, "bit": 1, "value": 0}],
        "erase_fails": [0x1000],
        "jedec_id": "EF 40 17",
    }
    assert ChipOptions.from_table(table, "twin") == ChipOptions(
        qpi=True,
        busy_ms=5,
        registers=(("sr1", 0x1C),),
        stuck=(StuckBit(5, 1, 0),),
        erase_fails=(0x1000,),
        jedec_id=b"\xef\x40\x17",
    )


def test_a_bad_option_of_a_twin_is_refused_by_file_table_and_key() -> None:
    with pytest.raises(BoardflashError) as caught:
        ChipOptions.from_table({"busy_ms": "x"}, "twin.toml: [chip_options]")
    assert str(caught.value) == "twin.toml: [chip_options] busy_ms: expected a whole number of milliseconds"


def test_an_unknown_option_of_a_twin_is_answered_with_those_that_exist() -> None:
    with pytest.raises(BoardflashError) as caught:
        ChipOptions.from_table({"qpy": True}, "twin.toml: [chip_options]")
    assert str(caught.value) == (
        "twin.toml: [chip_options] qpy: unknown key; known are busy_ms, continuous_read, deep_power_down, "
        "erase_fails, erase_time_factor, extra_dummies, four_byte, jedec_id, qpi, quad_enable, "
        "quad_enable_stuck, registers, stuck, unique_id, unknown_opcodes, wraps_at"
    )


def test_each_field_of_the_options_can_be_given() -> None:
    assert set(OPTION_NAMES) == {field.name for field in fields(ChipOptions)}


QUAD_WRITES = [
    (JV_IM, "31 02", b"\x35", 0x02),
    (JV_IM, "01 00 02", b"\x35", 0x02),
    ("GD25Q128E", "31 02", b"\x35", 0x02),
    ("AT25QL128A", "01 00 02", b"\x35", 0x02),
    ("GENERIC-S2B7", "3E 80", b"\x3f", 0x80),
    ("IS25LP128", "01 40", b"\x05", 0x40),
    ("MX25L12833F", "01 40", b"\x05", 0x40),
    ("SST26VF064B", "01 00 02", b"\x35", 0x02),
]


@pytest.mark.parametrize(("name", "write", "read", "bit"), QUAD_WRITES)
def test_a_quad_enable_bit_that_is_stuck_stays_clear(name: str, write: str, read: bytes, bit: int) -> None:
    sound = Pins(name)
    sound.write(bytes.fromhex(write))
    assert sound.spi(read, 1)[0] & bit
    stuck = Pins(name, quad_enable_stuck=True)
    stuck.write(bytes.fromhex(write))
    assert stuck.spi(read, 1)[0] & bit == 0
    stuck.chip.power_cycle()
    assert stuck.spi(read, 1)[0] & bit == 0


def test_a_volatile_write_does_not_set_a_stuck_quad_enable_either() -> None:
    pins = Pins(JV_IQ, quad_enable_stuck=True)
    pins.spi(b"\x50")
    pins.spi(bytes.fromhex("31 02"))
    assert pins.spi(b"\x35", 1) == b"\x00", "not even on a part whose bit is fixed at 1 by its order number"


def test_extra_dummies_shift_what_is_read_and_spare_what_has_none() -> None:
    pins = Pins(JV_IQ, extra_dummies=1)
    pins.chip.array[:3] = b"\x12\x34\x56"
    header = on_one_line(b"\xeb") + on_four_lines(bytes.fromhex("000000 FF"))
    assert pins.exchange(header + b"\x0f" * 4, 4) == b"\x0f\x01\x02\x03", "the first nibble floats"
    assert pins.exchange(header + b"\x0f" * 5, 4) == b"\x01\x02\x03\x04"
    assert pins.spi(bytes.fromhex("03 000000"), 2) == b"\x12\x34"
    assert pins.spi(bytes.fromhex("5A 000000 00"), 4) == b"SFDP"
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 18")


def test_fewer_dummies_lose_the_first_nibble() -> None:
    pins = Pins(JV_IQ, extra_dummies=-1)
    pins.chip.array[:3] = b"\x12\x34\x56"
    header = on_one_line(b"\xeb") + on_four_lines(bytes.fromhex("000000 FF")) + b"\x0f" * 4
    assert pins.exchange(header, 4) == b"\x02\x03\x04\x05"


def test_extra_dummies_count_beside_those_that_a_register_sets() -> None:
    pins = Pins(N25Q, extra_dummies=2)
    pins.chip.array[:2] = b"\x12\x34"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("81 6B"))
    header = on_one_line(b"\xeb") + on_four_lines(bytes(3)) + b"\x0f" * 8
    assert pins.exchange(header, 4) == b"\x01\x02\x03\x04"


def test_an_opcode_that_the_chip_lacks_is_ignored_and_leaves_the_write_enable() -> None:
    pins = Pins(JV_IQ, unknown_opcodes=(0x32,))
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("32 000000")) + on_four_lines(b"\x00"))
    assert pins.idle
    assert pins.status == 0x02
    pins.spi(bytes.fromhex("02 000000 00"))
    pins.finish()
    assert pins.chip.array[0] == 0x00


def test_a_chip_cannot_lack_what_it_has_not() -> None:
    with pytest.raises(
        BoardflashError, match=r"^unknown_opcodes: W25Q128JV-IQ has no 70h; it has 01h, 02h, 03h"
    ):
        Pins(JV_IQ, unknown_opcodes=(0x70,))


LARGE, DIE = "W25Q256JV-IQ", 1 << 24


def counterfeit() -> Pins:
    """32 MiB by its ID, with a die of 16 MiB."""
    return Pins(LARGE, wraps_at=DIE)


def test_a_counterfeit_tells_the_size_of_its_mark() -> None:
    pins = counterfeit()
    assert pins.spi(b"\x9f", 3) == bytes.fromhex("EF 40 19")
    assert pins.chip.size == 2 * DIE


def test_a_counterfeit_reads_and_programs_the_lower_half_for_the_upper() -> None:
    pins = counterfeit()
    pins.write(bytes.fromhex("12 01000100 5A"))
    assert pins.spi(bytes.fromhex("13 00000100"), 1) == b"\x5a"
    assert pins.spi(bytes.fromhex("13 01000100"), 1) == b"\x5a"
    assert pins.spi(bytes.fromhex("03 000100"), 1) == b"\x5a"
    pins.write(bytes.fromhex("02 000100 0F"))
    assert pins.spi(bytes.fromhex("13 01000100"), 1) == b"\x0a"


def test_a_counterfeit_reads_on_from_its_end_at_its_start() -> None:
    pins = counterfeit()
    pins.chip.array[:2], pins.chip.array[DIE - 1 : DIE] = b"\x11\x22", b"\x77"
    assert pins.spi(bytes.fromhex("13 00FFFFFF"), 3) == b"\x77\x11\x22"
    assert pins.spi(bytes.fromhex("13 01FFFFFF"), 3) == b"\x77\x11\x22"


def test_a_counterfeit_erases_the_lower_half_for_the_upper() -> None:
    pins = counterfeit()
    pins.chip.array[0x2000:0x4000] = bytes(0x2000)
    pins.write(bytes.fromhex("21 01002000"))
    assert pins.chip.array[0x2000:0x3000] == b"\xff" * 0x1000
    assert pins.chip.array[0x3000:0x4000] == bytes(0x1000)


def test_a_counterfeit_is_erased_as_a_whole() -> None:
    pins = counterfeit()
    pins.chip.array[0], pins.chip.array[DIE - 1] = 0, 0
    pins.write(b"\xc7")
    assert pins.chip.array == b"\xff" * (2 * DIE)


def test_an_erase_cut_off_in_the_upper_half_of_a_counterfeit_spoils_the_lower() -> None:
    pins = counterfeit()
    pins.chip.array[:0x1000] = bytes(0x1000)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("21 01000000"))
    pins.chip.power_cycle()
    assert bytes(pins.chip.array[:0x1000]) not in (bytes(0x1000), b"\xff" * 0x1000)
    assert pins.chip.array[DIE : DIE + 0x1000] == b"\xff" * 0x1000


def test_a_true_16_mib_chip_knows_no_opcodes_of_four_address_bytes() -> None:
    pins = Pins(JV_IQ, jedec_id=bytes.fromhex("EF 40 19"))
    pins.chip.array[:4] = b"\x12\x34\x56\x78"
    assert pins.spi(bytes.fromhex("13 00000000"), 2) == b"\xff\xff"
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("12 00000000 00"))
    assert pins.idle
    assert pins.status == 0x02
    assert pins.spi(bytes.fromhex("03 000000"), 2) == b"\x12\x34"


def test_registers_of_an_earlier_life_act_at_power_up() -> None:
    """ADP of the W25Q256JV and the quad protocol bit of the N25Q's NVCR are looked at when power comes."""
    pins = Pins(LARGE)
    pins.chip.restore({"sr3": 0x62})
    assert pins.spi(b"\x15", 1)[0] & 3 == 3
    n25q = Pins(N25Q)
    n25q.chip.restore({"nvcr": 0xFFF7})
    assert n25q.qpi(b"\xaf", 3) == bytes.fromhex("20 BA 18")


def disco(*, chip: str, **faults: str) -> Twin:
    return with_faults(load_twin("stm32f746g-disco-c03-im"), {"chip": chip, **faults}).twin


def test_a_register_fault_acts_on_a_board_with_a_past() -> None:
    state = BoardState.in_memory()
    board = SimulatedBoard(disco(chip=JV_IM, quad_enable="true"), state)
    assert board.chip.nonvolatile()["sr2"] == 0x02
    board.save()
    board = SimulatedBoard(disco(chip=JV_IM, registers="{ sr1 = 0x1C }", quad_enable="false"), state)
    assert board.chip.nonvolatile() == {"sr1": 0x1C, "sr2": 0x00, "sr3": 0x60}
    board.save()
    board = SimulatedBoard(disco(chip=JV_IM), state)
    assert board.chip.nonvolatile() == {"sr1": 0x1C, "sr2": 0x00, "sr3": 0x60}, "and stays"


def test_what_a_twin_says_of_its_registers_is_how_it_was_delivered() -> None:
    """Its own file, not a fault: what firmware has written since is kept."""
    twin = replace(load_twin("stm32f746g-disco-c03-im"), chip_options={"registers": {"sr1": 0x1C}})
    state = BoardState.in_memory()
    board = SimulatedBoard(twin, state)
    assert board.chip.nonvolatile()["sr1"] == 0x1C
    board.chip.restore({"sr1": 0x00})
    board.save()
    assert SimulatedBoard(twin, state).chip.nonvolatile()["sr1"] == 0x00


def test_an_imposed_register_leaves_the_others_alone() -> None:
    state = BoardState.in_memory()
    board = SimulatedBoard(disco(chip=JV_IM, registers="{ sr2 = 0x40 }"), state)
    board.save()
    board = SimulatedBoard(disco(chip=JV_IM, quad_enable="true"), state)
    assert board.chip.nonvolatile()["sr2"] == 0x42


def test_a_stuck_bit_is_stuck_on_a_board_with_a_past() -> None:
    state = BoardState.in_memory()
    SimulatedBoard(disco(chip=JV_IM), state).save()
    stuck = "[{ address = 0x100, bit = 3, value = 0 }]"
    assert SimulatedBoard(disco(chip=JV_IM, stuck=stuck), state).chip.array[0x100] == 0xF7
