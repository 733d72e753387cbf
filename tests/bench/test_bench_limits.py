"""What chip and link allow, and the goals that are judged by it."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from bench_rows import Row, limit_of
from cases import CHIP_SIZE, FIRMWARE, LARGE, SMALL, Case
from goals import Goal, goals
from limits import Limit
from runners import BOARD

from boardflash.description.load import load_board

board = load_board(BOARD)
PAGE_S = 500e-6 + (8 + 24 + 512) / 84e6  # N25Q128A: 0.5 ms; 32h takes 1-1-4 lines; 168 MHz / 2
WINBOND_PAGE_S = PAGE_S - 100e-6
WORD_S = 46 / 4_000_000
RATE = 1e-7  # seconds a byte of digest


@lru_cache(maxsize=16)
def limit(situation: str, size: int = LARGE, memory: str = "qspi", chip: str = "n25q128a13") -> Limit:
    return limit_of(Case("boardflash", "random", size, situation, memory, chip), board, 0.1, RATE)


def test_limit_of_a_blank_chip_is_every_page_and_every_word() -> None:
    found = limit("blank")
    assert found.link == pytest.approx(LARGE / 4 * WORD_S, rel=1e-4)
    assert found.chip == pytest.approx(LARGE / 256 * PAGE_S, rel=1e-3)
    assert found.side == "link"


def test_limit_of_one_byte_is_one_small_erase_and_sixteen_pages() -> None:
    found = limit("one byte")
    assert found.link == pytest.approx(4096 / 4 * WORD_S, rel=1e-4)
    assert found.chip == pytest.approx(0.250 + 16 * PAGE_S, rel=1e-3)
    assert found.side == "chip"


def test_limit_of_a_full_chip_takes_the_large_erases() -> None:
    assert limit("full").chip == pytest.approx(LARGE / 65536 * 0.7 + LARGE / 256 * PAGE_S, rel=1e-3)


def test_limit_of_the_other_chip_is_by_its_own_times() -> None:
    found = limit("full", LARGE, "qspi", "w25q128jv")
    assert found.chip == pytest.approx(LARGE / 65536 * 0.15 + LARGE / 256 * WINBOND_PAGE_S, rel=1e-3)


def test_limit_of_what_is_there_already_is_one_digest() -> None:
    found = limit("unchanged", SMALL)
    assert (found.link, found.chip, found.last_digest) == (0, 0, 0)
    assert found.side == "digest"
    assert found.total == pytest.approx(0.1 + SMALL * RATE)


def test_what_is_touched_is_digested_once_more() -> None:
    assert limit("one byte").first_digest == pytest.approx(LARGE * RATE)
    assert limit("one byte").last_digest == pytest.approx(4096 * RATE)
    assert limit("full").last_digest == pytest.approx(LARGE * RATE)
    assert limit("blank", SMALL).last_digest == pytest.approx(37 * 4096 * RATE)  # whole granules
    assert limit("full").total == pytest.approx(0.1 + 2 * LARGE * RATE + limit("full").chip)


def test_limit_of_internal_flash_is_its_sectors_and_its_words() -> None:
    found = limit("full", FIRMWARE, "internal")
    touched = 4 * 32768 + 131072  # what lies behind the firmware in its last sector is programmed again
    assert found.chip == pytest.approx(4 * 0.25 + 0.55 + touched / 4 * 16e-6, rel=1e-3)
    assert found.last_digest == pytest.approx(touched * RATE)


def test_both_memories_share_the_link_and_wait_for_the_slower() -> None:
    both, qspi, internal = limit("full", LARGE, "both"), limit("full"), limit("full", FIRMWARE, "internal")
    assert both.chip == max(qspi.chip, internal.chip)
    assert both.link == pytest.approx(qspi.link + internal.link)
    assert both.last_digest == pytest.approx(qspi.last_digest + internal.last_digest)


def test_a_chip_erase_can_only_be_filled_with_what_ram_takes() -> None:
    found = limit("full", CHIP_SIZE)
    programs = CHIP_SIZE / 256 * PAGE_S
    assert found.chip_erase == 120
    assert found.chip == pytest.approx(120 + programs, rel=1e-3)
    late = CHIP_SIZE / 4 * WORD_S - 327_680 / 4 * WORD_S
    assert late > programs
    assert found.reachable == pytest.approx(found.around + 120 + late, rel=1e-3)
    assert limit("full").reachable == limit("full").total


def goal_of(row: Row, seconds: float, **others: float) -> Goal:
    (goal,) = goals([replace(row, seconds={"boardflash": seconds, **others})])
    return goal


def row_of(situation: str, size: int, content: str = "random") -> Row:
    return Row(Case("boardflash", content, size, situation), limit(situation, size), {}, {})


def test_a_write_is_judged_by_its_limit() -> None:
    row = row_of("full", LARGE)
    total = row.limit.total
    assert goal_of(row, total * 1.049).met
    missed = goal_of(row, total * 1.06)
    assert not missed.met
    assert f"{total * 0.06:.2f} s more were taken" in missed.figure


def test_a_missed_chip_erase_says_what_can_be_reached() -> None:
    row = row_of("full", CHIP_SIZE)
    missed = goal_of(row, row.limit.reachable * 1.01)
    assert not missed.met
    assert "120 s in which nothing programs" in missed.figure
    assert "1.010x of that" in missed.figure


def test_unchanged_is_judged_by_pyocd() -> None:
    assert goal_of(row_of("unchanged", CHIP_SIZE), 2, pyOCD=30).met
    assert not goal_of(row_of("unchanged", CHIP_SIZE), 2, pyOCD=29).met


def test_pictures_are_judged_by_the_uncompressed_link() -> None:
    row = row_of("blank", LARGE, "pictures")
    allowed = row.limit.around + row.limit.link
    for seconds, met in ((allowed - 0.01, True), (allowed + 0.01, False)):
        judged = goals([replace(row, seconds={"boardflash": seconds})])
        assert [goal.met for goal in judged if "compressible" in goal.goal] == [met]


def test_both_memories_are_judged_by_the_slower_alone() -> None:
    alone = [replace(row_of("full", LARGE), seconds={"boardflash": 27.0})]
    for memory, seconds in (("internal", 3.0), ("both", 28.0)):
        size = FIRMWARE if memory == "internal" else LARGE
        case = Case("boardflash", "random", size, "full", memory)
        alone.append(Row(case, limit("full", size, memory), {"boardflash": seconds}, {}))
    judged = [goal for goal in goals(alone) if "both memories" in goal.goal]
    assert [(goal.met, "28.00 s against 27.00 s" in goal.figure) for goal in judged] == [(True, True)]
