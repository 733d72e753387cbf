"""The measurement's own arithmetic, and one case of it on a board."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from bench_chart import chart
from bench_tables import bars, markdown, plain, rows
from cases import CHIP_SIZE, LARGE, SMALL, Case, all_cases, device_after, device_before
from limits import change_limit
from runners import BOARD, Tools, run

from boardflash.description.load import load_board

board = load_board(BOARD)
assert board.qspi is not None
chip = board.qspi.chips[0]
PAGE_S = 500e-6 + (8 + 24 + 512) / 90e6  # N25Q128A: 0.5 ms; 32h takes 1-1-4 lines; 180 MHz / 2
WORD_S = 46 / 4_000_000


def limit(situation: str, size: int = LARGE) -> tuple[float, float]:
    case = Case("boardflash", "random", size, situation)
    found = change_limit(board, chip, device_before(case), device_after(case), start_up=0, digest=0)
    return found.link, found.chip


def test_limit_of_a_blank_chip_is_every_page_and_every_word() -> None:
    link, on_chip = limit("blank")
    assert link == pytest.approx(LARGE / 4 * WORD_S, rel=1e-4)
    assert on_chip == pytest.approx(LARGE / 256 * PAGE_S, rel=1e-3)


def test_limit_of_one_byte_is_one_small_erase_and_sixteen_pages() -> None:
    link, on_chip = limit("one byte")
    assert link == pytest.approx(4096 / 4 * WORD_S, rel=1e-4)
    assert on_chip == pytest.approx(0.250 + 16 * PAGE_S, rel=1e-3)


def test_limit_of_a_full_chip_takes_the_large_erases() -> None:
    assert limit("full")[1] == pytest.approx(LARGE / 65536 * 0.7 + LARGE / 256 * PAGE_S, rel=1e-3)


def test_limit_of_what_is_there_already_is_no_work() -> None:
    assert limit("unchanged", SMALL) == (0, 0)


def test_devices_differ_by_what_the_case_says() -> None:
    def differing(situation: str) -> int:
        case = Case("pyOCD", "pictures", LARGE, situation)
        pair = zip(device_before(case), device_after(case), strict=True)
        return sum(a != b for a, b in pair)

    assert differing("unchanged") == 0
    assert differing("one byte") == 1
    assert differing("10 %") == pytest.approx(51 * 4096, rel=0.01)  # random bytes are equal now and then


def test_a_case_runs_on_the_board_and_keeps_the_neighbours(tmp_path: Path) -> None:
    result = run(Case("boardflash", "pictures", 5000, "one byte"), Tools(tmp_path, tmp_path))
    assert result.lost_bytes == 0
    assert result.erased == {"4096": 1}
    assert 0.25 < result.board_seconds < 1


def test_tables_and_chart_hold_every_case() -> None:
    results = {
        case.key: {"board_seconds": 1 + case.size / CHIP_SIZE, "lost_bytes": 0} for case in all_cases()
    }
    found = rows(results, board)
    assert len(found) == 21
    text = markdown(found, results)
    assert text.count("\n| ") == 23
    assert "$" not in text
    assert len(plain(found).splitlines()) == 22
    drawn = ET.fromstring(chart(bars(found)))
    rectangles = [e for e in drawn.iter() if e.tag.endswith("rect")]
    assert len(rectangles) == 1 + 3 + sum(len(row.seconds) for row in found)
