"""The first unit that is changed on a chip whose contents can't prove how it is read, or how large it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.loader.protocol import SPOT_SIZE
from boardflash.program.prove import choose_spots
from cuts import journal_files
from program.wrong_boards import (
    DUMMIES,
    KIB,
    QSPI,
    SIZE,
    SIZES,
    SOUND_BY_MODE,
    SOUND_LARGE,
    SOUND_MICRON,
    Wrong,
    device,
    noise,
    refusal,
)

UPPER = SIZE + 0x20_0000
IMAGE = noise(4 * KIB, 2)
BLANK = b"\xff"


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "unused"))


def test_wrong_reads_of_a_blank_chip_cost_one_page(tmp_path: Path) -> None:
    """One line shows what was programmed, and the read mode does not."""
    rig = device(tmp_path, DUMMIES[0], BLANK * SIZE)
    with refusal() as caught:
        rig.flash({QSPI: IMAGE})
    assert "fits 1 dummy cycle more" in str(caught.value)
    assert rig.memory("qspi") == IMAGE[:256] + BLANK * (SIZE - 256)


def test_bytes_between_the_spots_stop_wrong_reads_before_anything_is_changed(tmp_path: Path) -> None:
    """The unit is compared from end to end, although no spot has told anything."""
    rig = device(tmp_path, DUMMIES[0], b"")
    plan = rig.plan({QSPI: IMAGE})
    spots = choose_spots(plan.board.region("qspi"), plan.region_image("qspi"), 0)
    between = next(at for at in range(0, len(IMAGE), SPOT_SIZE) if QSPI + at not in spots)
    content = bytearray(BLANK * SIZE)
    content[between : between + SPOT_SIZE] = noise(SPOT_SIZE, 1)
    rig.set_memory("qspi", 0, bytes(content))
    with refusal() as caught:
        rig.flash({QSPI: IMAGE})
    assert str(caught.value).endswith("; nothing was erased or programmed")
    assert rig.memory("qspi") == content


def test_an_erase_alone_shows_that_a_chip_wraps(tmp_path: Path) -> None:
    """The image is blank there: no page of the unit is programmed, and none is read back."""
    content = bytearray(BLANK * 2 * SIZE)
    content[UPPER - SIZE : UPPER - SIZE + 4 * KIB] = noise(4 * KIB, 1)
    rig = device(tmp_path, SIZES[0], bytes(content))
    with refusal() as caught:
        rig.flash({QSPI + UPPER: BLANK * 4 * KIB + IMAGE})
    assert "what was written here has changed 0x90200000" in str(caught.value)
    assert rig.memory("qspi") == content
    assert journal_files(rig) == ()


def test_all_of_a_large_erase_is_written_back_below_the_wrap(tmp_path: Path) -> None:
    content = bytearray(BLANK * 2 * SIZE)
    content[UPPER - SIZE : UPPER - SIZE + 64 * KIB] = (noise(64, 1) + BLANK * (4 * KIB - 64)) * 16
    rig = device(tmp_path, SIZES[0], bytes(content))
    with refusal() as caught:
        rig.flash({QSPI + UPPER: noise(64 * KIB, 2)})
    assert "what was written here has changed 0x90200000" in str(caught.value)
    assert rig.memory("qspi") == content
    assert journal_files(rig) == ()


@pytest.mark.parametrize("sound", [SOUND_LARGE, SOUND_BY_MODE], ids=str)
def test_a_blank_chip_takes_an_image_below_and_beyond_where_a_smaller_one_would_wrap(
    tmp_path: Path, sound: Wrong
) -> None:
    """Reads with three address bytes in between leave the chip in its own mode."""
    rig = device(tmp_path, sound, BLANK * 2 * SIZE)
    rig.flash({QSPI: IMAGE, QSPI + UPPER: IMAGE[::-1]})
    assert rig.memory("qspi")[: 4 * KIB] == IMAGE
    assert rig.memory("qspi")[UPPER:][: 4 * KIB] == IMAGE[::-1]


def test_an_image_may_lie_across_where_a_smaller_chip_would_wrap(tmp_path: Path) -> None:
    """On a blank chip it is one unit, that begins below."""
    rig = device(tmp_path, SOUND_LARGE, BLANK * 2 * SIZE)
    rig.flash({QSPI + SIZE - 8 * KIB: IMAGE * 4})
    assert rig.memory("qspi")[SIZE - 8 * KIB :][: 16 * KIB] == IMAGE * 4


def test_a_wrapping_chip_is_found_out_where_its_image_lies_across(tmp_path: Path) -> None:
    rig = device(tmp_path, SIZES[0], BLANK * 2 * SIZE)
    with refusal() as caught:
        rig.flash({QSPI + SIZE - 8 * KIB: IMAGE * 4})
    assert "0x91000000: what was written here has changed 0x90000000" in str(caught.value)
    assert rig.memory("qspi") == BLANK * 2 * SIZE
    assert journal_files(rig) == ()


def test_a_wrapping_chip_is_found_out_before_what_lies_below_is_changed(tmp_path: Path) -> None:
    rig = device(tmp_path, SIZES[0], BLANK * 2 * SIZE)
    with refusal() as caught:
        rig.flash({QSPI: IMAGE, QSPI + UPPER: IMAGE[::-1]})
    assert "0x91200000: what was written here has changed 0x90200000" in str(caught.value)
    assert rig.memory("qspi") == BLANK * 2 * SIZE


def test_protection_is_lifted_before_the_first_page_of_a_blank_chip(tmp_path: Path) -> None:
    protected = replace(SOUND_MICRON, faults={"registers": "{ sr = 0x5C }"})
    rig = device(tmp_path, protected, BLANK * SIZE)
    rig.flash({QSPI: IMAGE})
    assert rig.memory("qspi") == IMAGE + BLANK * (SIZE - len(IMAGE))
