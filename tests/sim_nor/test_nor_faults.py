"""Start states, faults by option, and what the board saves."""

from __future__ import annotations

import pytest

from boardflash.errors import BoardflashError
from boardflash.sim.nor import ChipOptions, StuckBit, create_chip, part_names
from boardflash.sim.target import VirtualClock
from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, Pins


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


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"qpy": True}, "unknown key"),
        ({"stuck": [{"adress": 1}]}, "not as a chip's options should be"),
        ({"jedec_id": "EF 4"}, "not as a chip's options should be"),
    ],
)
def test_bad_options_are_refused_by_name(table: dict[str, object], message: str) -> None:
    with pytest.raises(BoardflashError, match=message):
        ChipOptions.from_table(table, "twin.toml: [chip_options]")
