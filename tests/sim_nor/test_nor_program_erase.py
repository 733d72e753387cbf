"""Cells, pages, erase units, WEL and WIP: what all chips have in common (nor-behaviour.md 1, 2 and 4)."""

from __future__ import annotations

import pytest

from sim_nor.nor_bench import JV_IM, JV_IQ, MS, N25Q, US, Pins, on_one_line

ALL = pytest.mark.parametrize("name", [N25Q, JV_IQ, JV_IM])


@ALL
def test_a_new_chip_is_blank_and_idle(name: str) -> None:
    pins = Pins(name)
    assert pins.status == 0x00
    assert pins.spi(bytes.fromhex("03 000000"), 4) == b"\xff" * 4
    assert pins.chip.size == len(pins.chip.array) == 1 << 24


@ALL
def test_programming_only_clears_bits(name: str) -> None:
    pins = Pins(name)
    pins.write(bytes.fromhex("02 001000 F0 CC"))
    pins.write(bytes.fromhex("02 001000 3C AA"))
    assert pins.spi(bytes.fromhex("03 001000"), 3) == bytes([0xF0 & 0x3C, 0xCC & 0xAA, 0xFF])


@ALL
def test_page_program_wraps_inside_the_page(name: str) -> None:
    pins = Pins(name)
    pins.write(bytes.fromhex("02 0012FE 01 02 03 04"))
    assert pins.chip.array[0x12FC:0x1302] == bytes.fromhex("FF FF 01 02 FF FF")
    assert pins.chip.array[0x1200:0x1204] == bytes.fromhex("03 04 FF FF")


@ALL
def test_of_more_than_a_page_the_last_256_bytes_count(name: str) -> None:
    pins = Pins(name)
    pins.write(bytes.fromhex("02 000000") + b"\x00" * 10 + bytes(range(256)))
    # 266 bytes from column 0: bytes 256..265 land on columns 0..9 again, over the ten zeros.
    expected = bytes(range(246, 256)) + bytes(range(246))
    assert pins.chip.array[:256] == expected
    assert pins.chip.array[256:512] == b"\xff" * 256


@ALL
def test_without_write_enable_nothing_happens(name: str) -> None:
    pins = Pins(name)
    pins.spi(bytes.fromhex("02 000000 00"))
    assert pins.idle
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.idle
    assert pins.chip.array[0] == 0xFF


@ALL
def test_write_disable_takes_the_write_enable_back(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    assert pins.status == 0x02
    pins.spi(b"\x04")
    assert pins.status == 0x00


@ALL
def test_write_enable_stays_until_the_erase_is_complete(name: str) -> None:
    """Recorded on silicon: 03h while the erase runs, 00h after it."""
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.status == 0x03
    pins.finish()
    assert pins.status == 0x00


@ALL
@pytest.mark.parametrize("surplus", [1, 7, 8])
def test_a_command_with_surplus_clocks_is_dropped(name: str, surplus: int) -> None:
    """nCS must rise after the last bit that is needed, not later."""
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("20 000000")) + b"\x0f" * surplus)
    assert pins.status == 0x02, "dropped; WEL keeps its value"


@ALL
def test_a_program_that_ends_inside_a_byte_is_dropped(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.send(on_one_line(bytes.fromhex("02 000000 00 00"))[:-3])
    assert pins.status == 0x02
    assert pins.chip.array[:2] == b"\xff\xff"


@ALL
def test_an_erase_with_too_few_address_bits_is_dropped(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 0000"))
    assert pins.status == 0x02


@ALL
def test_erase_ignores_address_bits_below_its_unit(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:] = bytes(1 << 24)
    pins.write(bytes.fromhex("20 012345"))
    assert pins.chip.array[0x11FFF:0x12001] == b"\x00\xff"
    assert pins.chip.array[0x12FFF:0x13001] == b"\xff\x00"
    pins.write(bytes.fromhex("D8 02ABCD"))
    assert pins.chip.array[0x1FFFF:0x20001] == b"\x00\xff"
    assert pins.chip.array[0x2FFFF:0x30001] == b"\xff\x00"
    assert pins.chip.stats.erases == {4096: 1, 65536: 1}


@ALL
def test_chip_erase(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:] = bytes(1 << 24)
    pins.write(b"\xc7")
    assert pins.chip.array == b"\xff" * (1 << 24)


@pytest.mark.parametrize(
    ("name", "sector", "block", "page", "chip"),
    [(N25Q, 250, 700, 500, 120_000), (JV_IQ, 45, 150, 400, 40_000), (JV_IM, 45, 150, 400, 40_000)],
)
def test_typical_times(name: str, sector: int, block: int, page: int, chip: int) -> None:
    pins = Pins(name)
    took = []
    for out in (b"\x20\0\0\0", b"\xd8\0\0\0", b"\x02\0\0\0" + bytes(256), b"\xc7"):
        pins.spi(b"\x06")
        pins.spi(out)
        took.append(pins.finish())
    assert took == [sector * MS, block * MS, page * US, chip * MS]


def test_short_programs_take_less_where_the_vendor_says_so() -> None:
    """SFDP of W25Q128JV: first byte 32 us, each further 3 us; no figure of that kind for N25Q128A."""
    for name, expected in ((JV_IQ, 32 + 3 * 3), (N25Q, 500)):
        pins = Pins(name)
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("02 000000 01 02 03 04"))
        assert pins.finish() == expected * US


def test_more_than_a_page_takes_no_longer_than_a_page() -> None:
    """SFDP of AT25QL128A: first byte 5 us, each further 1 us. 256 bytes are programmed, whatever was sent."""
    for count, expected in ((256, 260), (300, 260)):
        pins = Pins("AT25QL128A")
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("02 000000") + bytes(count))
        assert pins.finish() == expected * US


def test_32_kib_erase_exists_on_winbond_only() -> None:
    for name, exists in ((JV_IQ, True), (N25Q, False)):
        pins = Pins(name)
        pins.spi(b"\x06")
        pins.spi(bytes.fromhex("52 000000"))
        assert pins.idle is not exists


@ALL
def test_while_busy_only_status_suspend_and_reset_are_taken(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[0x5000] = 0x12
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    assert pins.spi(bytes.fromhex("03 005000"), 2) == b"\xff\xff", "high-Z, pulled up"
    assert pins.spi(b"\x9f", 3) == b"\xff\xff\xff"
    pins.spi(b"\x04")
    assert pins.status == 0x03
    end = pins.chip.next_change_ps()
    pins.spi(bytes.fromhex("D8 000000"))
    assert pins.chip.next_change_ps() == end, "undisturbed"
    pins.finish()
    assert pins.spi(bytes.fromhex("03 005000"), 1) == b"\x12"


@ALL
def test_status_repeats_and_follows_the_work(name: str) -> None:
    pins = Pins(name)
    assert pins.spi(b"\x05", 3) == b"\0\0\0"
    pins.spi(b"\x06")
    assert pins.spi(b"\x05", 3) == b"\x02\x02\x02"


@ALL
def test_reads_roll_over_at_the_end(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[-2:] = b"\x11\x22"
    pins.chip.array[:2] = b"\x33\x44"
    assert pins.spi(bytes.fromhex("03 FFFFFE"), 4) == b"\x11\x22\x33\x44"


@ALL
def test_unknown_opcodes_leave_the_outputs_floating(name: str) -> None:
    pins = Pins(name)
    assert pins.spi(b"\x3f", 2) == b"\xff\xff"
    assert pins.exchange(on_one_line(b"\x3f"), 8, idle=0x8) == b"\x08" * 8


@ALL
def test_suspend_makes_the_array_readable_and_resume_goes_on(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[0:1] = b"\x00"
    pins.chip.array[0x9000] = 0x77
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    total = pins.chip.next_change_ps()
    assert total is not None
    pins.wait(10 * MS)
    pins.spi(b"\x75")
    pins.finish()
    assert pins.status & 1 == 0
    assert pins.spi(bytes.fromhex("03 009000"), 1) == b"\x77"
    pins.spi(b"\x7a")
    assert pins.status & 1
    assert pins.finish() == total - 10 * MS
    assert pins.chip.array[0] == 0xFF


@ALL
def test_reset_needs_its_enable_directly_before_it(name: str) -> None:
    pins = Pins(name)
    pins.spi(b"\x06")
    pins.spi(b"\x99")
    assert pins.status == 0x02
    pins.spi(b"\x66")
    pins.spi(b"\x05", 1)
    pins.spi(b"\x99")
    assert pins.status == 0x02
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.wait(1 * MS)
    assert pins.status == 0x00


@ALL
def test_reset_cuts_an_erase_off_and_leaves_neither_old_nor_new(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:4096] = bytes(4096)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.spi(b"\x66")
    pins.spi(b"\x99")
    pins.finish()
    assert pins.status == 0x00
    block = bytes(pins.chip.array[:4096])
    assert block not in (bytes(4096), b"\xff" * 4096)
    assert pins.chip.array[4096:8192] == b"\xff" * 4096


@ALL
def test_power_cycle_in_an_erase_spoils_the_block_too(name: str) -> None:
    pins = Pins(name)
    pins.chip.array[:4096] = bytes(4096)
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("20 000000"))
    pins.chip.power_cycle()
    assert pins.idle
    assert bytes(pins.chip.array[:4096]) not in (bytes(4096), b"\xff" * 4096)


@ALL
def test_work_marks_the_chip_dirty_when_it_is_done(name: str) -> None:
    pins = Pins(name)
    assert not pins.chip.dirty
    pins.spi(b"\x06")
    pins.spi(bytes.fromhex("02 000000 00"))
    assert pins.chip.array[0] == 0xFF
    pins.finish()
    assert pins.chip.dirty
    assert pins.chip.array[0] == 0x00
