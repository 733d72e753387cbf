"""Where the spots lie that prove a chip's reads, and what a size that can't be is told by."""

from __future__ import annotations

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from boardflash.description.chips import parse_chip
from boardflash.description.load import load_board
from boardflash.errors import BoardflashError
from boardflash.image.model import RegionImage, Segment
from boardflash.loader.protocol import SPOT_SIZE
from boardflash.program.prove import SPOTS_MOST, choose_spots, pairs_of, wrap_of
from boardflash.resources import data_dir

BOARD = load_board("stm32f746g-disco")
REGION = BOARD.region("qspi")
BASE, SIZE = REGION.base, REGION.size


def image(*runs: tuple[int, int]) -> RegionImage:
    segments = tuple(Segment(BASE + at, bytes(size), "test") for at, size in runs)
    return RegionImage("qspi", BASE, SIZE, segments)


runs = st.integers(0, SIZE - 1).flatmap(lambda at: st.tuples(st.just(at), st.integers(1, SIZE - at)))


@given(runs)
def test_spots_are_whole_blocks_of_the_chip_and_not_too_many(run: tuple[int, int]) -> None:
    found = choose_spots(REGION, image(run), wrap_of(REGION, BASE + sum(run)))
    assert 1 < len(found) <= SPOTS_MOST
    assert len(set(found)) == len(found)
    assert all(at % SPOT_SIZE == 0 and BASE <= at <= REGION.end - SPOT_SIZE for at in found)


@given(runs)
def test_the_image_its_unit_s_ends_and_the_rest_are_all_looked_at(run: tuple[int, int]) -> None:
    at, size = run
    found = choose_spots(REGION, image(run), wrap_of(REGION, BASE + at + size))
    first, end = BASE + at - at % 4096, BASE + at + size + -(at + size) % 4096
    assert first in found
    assert end - SPOT_SIZE in found
    assert any(not first <= spot < end for spot in found) or end - first > SIZE // 2


def test_many_runs_do_not_crowd_out_the_rest_of_the_chip() -> None:
    scattered = image(*((n * 0x1_0000, 100) for n in range(200)))
    found = choose_spots(REGION, scattered, wrap_of(REGION, scattered.runs[-1].end))
    assert len(found) <= SPOTS_MOST
    assert any(spot > scattered.runs[-1].end for spot in found)


@pytest.mark.parametrize(
    ("end", "wrap"),
    [(0x1000, 0), (0x8_0000, 0), (0x8_0001, 0x8_0000), (0x80_0000, 0x40_0000), (0x100_0000, 0x80_0000)],
)
def test_the_wrap_is_the_largest_power_of_two_below_the_last_byte(end: int, wrap: int) -> None:
    assert wrap_of(REGION, BASE + end) == wrap


def test_pairs_lie_one_wrap_apart_and_the_upper_one_in_the_image() -> None:
    there = image((0x90_0000, 0x2_0000))
    pairs = pairs_of(REGION, there, 0x80_0000)
    assert pairs
    for upper, lower in pairs:
        assert upper - lower == 0x80_0000
        assert BASE + 0x90_0000 <= upper < BASE + 0x92_0000
        assert {upper, lower} <= set(choose_spots(REGION, there, 0x80_0000))


# Sizes that contradict each other


def chip_text(name: str) -> dict[str, object]:
    return tomli.loads((data_dir("boards") / "chips" / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("jedec", "size", "said"),
    [
        ("EF 40 18", 32 << 20, 16 << 20),
        ("EF 40 18", 8 << 20, 16 << 20),
        ("20 BA 20", 32 << 20, 64 << 20),
        ("C2 20 1A", 32 << 20, 64 << 20),
    ],
)
def test_a_size_that_the_id_contradicts_is_refused(jedec: str, size: int, said: int) -> None:
    data = {**chip_text("w25q256jv"), "jedec_id": [jedec], "size": size}
    with pytest.raises(BoardflashError) as caught:
        parse_chip(data, "x.toml", "w25q256jv")
    assert str(caught.value) == (
        f"x.toml: size = {size}: {size} bytes, but the JEDEC ID {jedec} tells {said}; a chip that takes"
        " addresses beyond its end wraps. For a stack of dies give stacked_dies"
    )


def test_a_stack_of_dies_says_so_and_vendors_own_codes_say_nothing() -> None:
    two = {**chip_text("w25q256jv"), "jedec_id": ["C8 40 19"], "size": 64 << 20, "stacked_dies": 2}
    assert parse_chip(two, "x.toml", "w25q256jv").size == 64 << 20
    own = {**chip_text("w25q256jv"), "jedec_id": ["C2 25 39"]}
    assert parse_chip(own, "x.toml", "w25q256jv").size == 32 << 20
