"""The loader's ways to read a chip: in its mode, on one line, both compared, with three address bytes."""

from __future__ import annotations

import struct

import pytest
from benches import Bench, noise

from boardflash.loader.protocol import (
    REGION_QSPI,
    SPOT_HASH_SHIFT,
    Command,
    Operation,
    SetUp,
    Spot,
    Status,
    Way,
)
from boardflash.loader.session import CommandFailed

QSPI = 0x9000_0000
SIZE = 1 << 24


@pytest.fixture(params=["stm32f746g-disco", "stm32f746g-disco-c03"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def spots(bench: Bench, addresses: list[int]) -> list[tuple[Spot, int]]:
    bench.write_ram(bench.base, struct.pack(f"<{len(addresses)}I", *addresses))
    bench.run(REGION_QSPI, Command(Operation.PROVE, QSPI, 64, bench.base, len(addresses)))
    words = struct.unpack(f"<{len(addresses)}I", bench.read_ram(bench.base, 4 * len(addresses)))
    return [(Spot(word & 3), word >> SPOT_HASH_SHIFT) for word in words]


@pytest.mark.parametrize("way", [Way.MODE, Way.ONE_LINE, Way.BOTH, Way.THREE])
@pytest.mark.parametrize(("offset", "length"), [(0, 1), (3, 64), (61, 130), (SIZE - 65, 65), (256, 4096)])
def test_every_way_reads_the_same(bench: Bench, way: Way, offset: int, length: int) -> None:
    data = noise(length)
    bench.put(REGION_QSPI, offset, data)
    bench.run(REGION_QSPI, Command(Operation.READ, QSPI + offset, length, bench.base, way=way))
    assert bench.read_ram(bench.base, length) == data


def test_one_line_is_read_at_10_mhz_at_most(bench: Bench) -> None:
    length = 8192
    started = bench.session.link.now()
    command = Command(Operation.READ, QSPI, length, bench.base, way=Way.ONE_LINE)
    bench.run(REGION_QSPI, command)
    assert bench.session.link.now() - started > 8 * length / 10e6


def test_a_blank_check_both_ways_tells_the_pieces(bench: Bench) -> None:
    bench.put(REGION_QSPI, 256 + 17, b"\x00")
    bench.run(REGION_QSPI, Command(Operation.BLANK_CHECK, QSPI, 700, bench.base, 256, way=Way.BOTH))
    assert bench.read_ram(bench.base, 3) == b"\x01\x00\x01"


def test_spots_are_blank_or_proved_and_equal_contents_have_equal_hashes(bench: Bench) -> None:
    bench.put(REGION_QSPI, 0, noise(64))
    bench.put(REGION_QSPI, 0x1000, noise(64))
    bench.put(REGION_QSPI, 0x2000, noise(64, 2))
    bench.put(REGION_QSPI, 0x3000, bytes(64))
    found = spots(bench, [QSPI, QSPI + 0x1000, QSPI + 0x2000, QSPI + 0x3000, QSPI + 0x4000])
    verdicts = [verdict for verdict, _ in found]
    assert verdicts == [Spot.PROVED, Spot.PROVED, Spot.PROVED, Spot.BLANK, Spot.BLANK]
    hashes = [value for _, value in found]
    assert hashes[0] == hashes[1] != hashes[2]


def test_one_byte_makes_a_spot_tell_something(bench: Bench) -> None:
    bench.put(REGION_QSPI, 0x1000 + 63, b"\x7f")
    ((verdict, _),) = spots(bench, [QSPI + 0x1000])
    assert verdict == Spot.PROVED


def test_a_spot_beyond_the_chip_is_refused(bench: Bench) -> None:
    bench.write_ram(bench.base, struct.pack("<I", QSPI + SIZE - 63))
    command = Command(Operation.PROVE, QSPI, 64, bench.base, 1)
    assert bench.refusal(REGION_QSPI, command) == Status.BAD_COMMAND


def test_programming_on_one_line_needs_no_quad_line(bench: Bench) -> None:
    data = noise(700)
    bench.write_ram(bench.base, data)
    bench.run(REGION_QSPI, Command(Operation.PROGRAM, QSPI + 100, 700, bench.base, way=Way.ONE_LINE))
    assert bench.holds(REGION_QSPI, 100, 700) == data


def test_selecting_leaves_protection_alone_until_it_is_asked_for() -> None:
    bench = Bench("stm32f746g-disco-c03")
    chip = bench.board.chip
    chip.sr1 = 0x1C
    bench.session.select_chip(1)
    assert chip.sr1 & 0x1C == 0x1C
    assert bench.session.unprotect_chip() == SetUp.PROTECTION
    assert chip.sr1 & 0x1C == 0
    assert bench.session.unprotect_chip() == SetUp(0)


def test_what_selecting_had_to_write_is_told() -> None:
    bench = Bench("stm32f746g-disco")
    bench.session.identify_chip()
    assert bench.session.select_chip(0) == SetUp.DUMMIES
    assert bench.session.select_chip(0) == SetUp(0)


def test_a_difference_stops_with_its_address(bench: Bench) -> None:
    """Reads with dummy clocks come late from here on; 03h has none. What is blank before it reads alike."""
    bench.put(REGION_QSPI, 0x5000, noise(4096))
    bench.board.chip.extra_dummies = 1
    with pytest.raises(CommandFailed) as caught:
        bench.run(REGION_QSPI, Command(Operation.READ, QSPI + 0x4D00, 4096, bench.base, way=Way.BOTH))
    assert caught.value.result.status == Status.UNPROVED
    assert 0x5000 <= caught.value.result.failed_address - QSPI < 0x5040
