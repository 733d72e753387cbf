"""Every board that we ship can be told by a plan file and read back, fact by fact."""

from __future__ import annotations

import json

import pytest

from boardflash.description.facts import board_digest
from boardflash.description.load import list_boards, load_board
from boardflash.description.model import Board
from boardflash.plan.encode import canonical, decode, encode, pretty
from boardflash.plan.model import portable

NAMES = [entry.name for entry in list_boards()]


def test_there_are_boards_to_test() -> None:
    assert "stm32f746g-disco" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_board_reads_back_from_the_json_of_a_plan(name: str) -> None:
    board = portable(load_board(name))
    data = json.loads(pretty(encode(board)))
    again = decode(Board, data, where="plan.json", key="board")
    assert again == board
    assert board_digest(again) == board_digest(load_board(name))
    assert canonical(encode(again)) == canonical(data)
