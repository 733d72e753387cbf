"""Bits that only clear cost no erase: what was right stays, what is missing is programmed, no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.description.model import Board
from boardflash.program.report import UnitReason
from devices import INTERNAL, KIB, QSPI, Device, cleared, device, firmware, noise
from rig import VECTORS

PAGE = 256
BLANK = b"\xff" * PAGE
CLEARS = "bits only clear here, no erase is needed"


@pytest.fixture(params=[None, "stm32f746g-disco-c03"], ids=["n25q128a13", "w25q128jv"])
def each_chip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Device]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    with device(tmp_path, twin=request.param) as found:
        yield found


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    with device(tmp_path) as found:
        yield found


def with_page(data: bytes, number: int, page: bytes) -> bytes:
    return data[: number * PAGE] + page + data[(number + 1) * PAGE :]


# The QSPI chip


def test_one_page_with_cleared_bits_is_programmed_and_nothing_erased(each_chip: Device) -> None:
    around = noise(64 * KIB, 2)
    old = noise(12 * KIB)
    new = cleared(old, 5000, 20)
    each_chip.put(QSPI, around[: 16 * KIB] + old + around[28 * KIB :])
    report = each_chip.flash_one(QSPI + 16 * KIB, new)
    assert each_chip.holds(QSPI, 64 * KIB) == around[: 16 * KIB] + new + around[28 * KIB :]
    page = QSPI + 16 * KIB + 5000 // PAGE * PAGE
    assert [(c.kind, c.address) for c in each_chip.changes] == [("program", page)]
    assert (report.erases, report.pages_programmed, report.bytes_programmed) == ({}, 1, PAGE)
    assert report.reasons == [UnitReason(QSPI + 20 * KIB, 4 * KIB, False, PAGE, CLEARS)]
    assert report.bytes_verified == len(new)


def test_the_report_tells_that_bits_only_cleared(board: Device) -> None:
    board.put(QSPI, noise(4 * KIB))
    lines = board.flash({QSPI: cleared(noise(4 * KIB), 700)}).lines()
    assert f"qspi: {QSPI:#010x} 4 KiB not erased, 256 bytes programmed: {CLEARS}" in lines


def test_a_blank_page_in_a_right_granule_is_filled_in(board: Device) -> None:
    new = noise(8 * KIB)
    board.put(QSPI, with_page(new, 21, BLANK))
    report = board.flash_one(QSPI, new)
    assert board.holds(QSPI, 8 * KIB) == new
    assert board.changed("qspi", "program") == [QSPI + 21 * PAGE]
    assert (report.erases, report.pages_programmed) == ({}, 1)
    assert [reason.reason for reason in report.reasons] == [CLEARS]


def test_a_granule_that_an_interrupted_run_left_half_done_is_completed(board: Device) -> None:
    """Six pages are right, one has only some of its bits cleared, the rest is blank."""
    new = noise(4 * KIB)
    torn = bytes(a | b for a, b in zip(new[6 * PAGE : 7 * PAGE], noise(PAGE, 3), strict=True))
    board.put(QSPI, new[: 6 * PAGE] + torn)
    report = board.flash_one(QSPI, new)
    assert board.holds(QSPI, 4 * KIB) == new
    assert board.changed("qspi", "erase") == []
    assert board.changed("qspi", "program") == [QSPI + n * PAGE for n in range(6, 16)]
    assert (report.erases, report.pages_programmed) == ({}, 10)


@pytest.mark.parametrize("at", [0, 2 * PAGE, 2 * PAGE + 100], ids=["granule", "page", "inside"])
def test_one_bit_that_must_rise_costs_an_erase(board: Device, at: int) -> None:
    """Wherever it is: in the word that is asked of the granule, of the page, or in neither; others clear."""
    new = noise(4 * KIB)
    old = bytearray(new)
    old[3 * PAGE] |= 0xFF
    old[at] = 0
    new = new[:at] + b"\x01" + new[at + 1 :]
    board.put(QSPI, bytes(old))
    report = board.flash_one(QSPI, new)
    assert board.holds(QSPI, 4 * KIB) == new
    assert report.erases == {4 * KIB: 1}
    assert report.pages_programmed == 16
    assert "bits must rise" in report.reasons[0].reason


def test_a_chip_that_takes_no_second_program_is_erased(board: Device) -> None:
    described = board.rig.board
    assert described.qspi is not None
    chips = tuple(replace(chip, clear_only_program=False) for chip in described.qspi.chips)
    board.put(QSPI, noise(8 * KIB))
    new = cleared(noise(8 * KIB), 5000)
    report = board.flash_one(QSPI, new, replace(described, qspi=replace(described.qspi, chips=chips)))
    assert board.holds(QSPI, 8 * KIB) == new
    assert report.erases == {4 * KIB: 1}
    assert board.changed("qspi", "erase") == [QSPI + 4 * KIB]


@pytest.mark.parametrize("start", [300, 3 * PAGE])
def test_bytes_outside_the_image_that_share_the_page_stay(board: Device, start: int) -> None:
    """The image begins and ends inside pages."""
    whole = noise(4 * KIB)
    new = cleared(whole, start + 10, 5)[start : start + 1000]
    new = cleared(new, len(new) - 3, 2)
    board.put(QSPI, whole)
    report = board.flash_one(QSPI + start, new)
    assert board.holds(QSPI, 4 * KIB) == whole[:start] + new + whole[start + 1000 :]
    first, last = start // PAGE, (start + 999) // PAGE
    assert board.changed("qspi", "program") == [QSPI + first * PAGE, QSPI + last * PAGE]
    assert (report.erases, report.pages_programmed) == ({}, 2)


def test_many_granules_with_cleared_bits_cost_their_pages_only(board: Device) -> None:
    old = new = noise(40 * KIB)
    for number in range(0, 160, 7):
        new = cleared(new, number * PAGE + number, 3)
    board.put(QSPI, old)
    report = board.flash_one(QSPI, new)
    assert board.holds(QSPI, 40 * KIB) == new
    assert board.changed("qspi", "program") == [QSPI + n * PAGE for n in range(0, 160, 7)]
    assert (report.erases, report.pages_programmed) == ({}, 23)


@pytest.mark.parametrize(("base", "size"), [(QSPI, 16 << 20), (INTERNAL, 1 << 20)], ids=["qspi", "internal"])
@pytest.mark.parametrize("length", [1, 3, 4])
def test_bits_clear_in_the_memory_s_last_bytes(board: Device, base: int, size: int, length: int) -> None:
    """What the device is asked must not lead beyond its end."""
    last = base + size - length
    board.put(last, b"\xf7" * length)
    described = replace(board.rig.board, boot_guard="never")
    report = board.flash_one(last, b"\x31" * length, described)
    assert board.holds(last, length) == b"\x31" * length
    assert report.erases == {}


# Internal flash


def without_guard(board: Device) -> Board:
    return replace(board.rig.board, boot_guard="never")


def test_internal_flash_clears_bits_without_an_erase(board: Device) -> None:
    old = firmware(70 * KIB)
    new = cleared(old, 40_000, 3)
    board.put(INTERNAL, old)
    report = board.flash_one(INTERNAL, new, without_guard(board))
    assert board.holds(INTERNAL, 80 * KIB) == new + b"\xff" * (10 * KIB)
    assert (report.erases, report.pages_programmed) == ({}, 1)
    assert report.reasons == [UnitReason(INTERNAL + 32 * KIB, 32 * KIB, False, PAGE, CLEARS)]
    page = INTERNAL + 40_000 // PAGE * PAGE
    assert {address // PAGE * PAGE for address in board.changed("internal", "program")} == {page}


def test_a_unit_of_several_granules_clears_bits_without_an_erase(board: Device) -> None:
    """128 KiB are erased at once; they are looked at in 32 KiB."""
    old = noise(100 * KIB)
    start = INTERNAL + 128 * KIB
    new = cleared(cleared(old, 300), 70 * KIB)
    board.put(start, old)
    report = board.flash_one(start, new, without_guard(board))
    assert board.holds(start, 128 * KIB) == new + b"\xff" * (28 * KIB)
    assert (report.erases, report.pages_programmed) == ({}, 2)


def test_internal_flash_that_takes_no_second_program_is_erased(board: Device) -> None:
    described = without_guard(board)
    mcu = replace(described.mcu, flash=replace(described.mcu.flash, clear_only_program=False))
    board.put(INTERNAL, firmware(8 * KIB))
    new = cleared(firmware(8 * KIB), 5000)
    report = board.flash_one(INTERNAL, new, replace(described, mcu=mcu))
    assert board.holds(INTERNAL, 8 * KIB) == new
    assert report.erases == {32 * KIB: 1}


@pytest.mark.parametrize("at", [4, 2000], ids=["in the vectors", "behind them"])
def test_the_vector_table_s_unit_is_erased_first_and_its_vectors_come_last(board: Device, at: int) -> None:
    """Half of its bits cleared, it would boot what is neither the old image nor the new one."""
    old = firmware(6 * KIB)
    new = cleared(old, at, 200 if at > 8 else 1, 0xFE)
    board.put(INTERNAL, old)
    report = board.flash_one(INTERNAL, new)
    assert board.holds(INTERNAL, 6 * KIB) == new
    assert report.erases == {32 * KIB: 1}
    kinds = [change.kind for change in board.changes]
    assert kinds[0] == "erase" and "erase" not in kinds[1:]
    assert board.changed("internal", "program")[-2:] == [INTERNAL, INTERNAL + 4]


def test_bits_that_clear_behind_the_vector_table_s_unit_still_follow_the_boot_guard(board: Device) -> None:
    """The other unit needs no erase; but while it is neither old nor new, nothing may boot."""
    old = firmware(40 * KIB)
    new = cleared(old, 35_000, 100)
    board.put(INTERNAL, old)
    report = board.flash_one(INTERNAL, new)
    assert board.holds(INTERNAL, 40 * KIB) == new
    assert board.changed("internal", "erase") == [INTERNAL]
    assert report.erases == {32 * KIB: 1}
    assert board.changes[0].kind == "erase"
    assert board.changes[1].address // PAGE * PAGE == INTERNAL + 35_000 // PAGE * PAGE
    assert board.changed("internal", "program")[-2:] == [INTERNAL, INTERNAL + 4]
    assert {reason.address: reason.reason for reason in report.reasons} == {
        INTERNAL: "boot guard: holds the vector table, written last because other units change",
        INTERNAL + 32 * KIB: CLEARS,
    }


def test_vectors_that_are_missing_only_come_last(board: Device) -> None:
    """An interrupted run has left all but the vectors: nothing boots, whatever is done next."""
    new = firmware(6 * KIB)
    board.put(INTERNAL, b"\xff" * 8 + new[8:])
    board.flash_one(INTERNAL, new)
    assert board.holds(INTERNAL, 6 * KIB) == new
    assert board.changed("internal", "program")[-2:] == [INTERNAL, INTERNAL + 4]
    assert new[:8] == VECTORS[:8]
