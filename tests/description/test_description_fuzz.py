"""Whatever stands in a board or chip file: it loads, or it ends in one line for its author."""

from __future__ import annotations

import copy
from typing import Any

import tomli
from hypothesis import example, given, settings
from hypothesis import strategies as st

from boardflash.description.boards import parse_board
from boardflash.description.chips import parse_chip
from boardflash.description.files import Library
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir

FOLDER = data_dir("boards")
BOARD = tomli.loads((FOLDER / "stm32f746g-disco.toml").read_text(encoding="utf-8"))
CHIP = tomli.loads((FOLDER / "chips" / "n25q128a13.toml").read_text(encoding="utf-8"))
EXTRA = {
    "chip": {"w25q128jv": {"read": {"dummy_cycles": 4}, "erase": [{"size": 4096}]}},
    "protect": [{"region": "qspi", "address": 0x9000_0000, "size": 4096}],
    "internal": {"size": 32768},
}
BOARD = {**BOARD, "protect": EXTRA["protect"], "internal": EXTRA["internal"]}
BOARD["qspi"] = {**BOARD["qspi"], "chip": EXTRA["chip"]}
LIBRARY = Library()

scalars = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([0, 1, 4095, 4096, 1 << 24, 1 << 32]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["PB2", "PB6/AF10", "w25q128jv", "1-4-4", "EF 40 18", "STM32F746ZG", "STM32L496VG"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=4,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def changed(tree: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(tree)
    here: Any = result
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return result


def check(error: BoardflashError) -> None:
    assert "\n" not in str(error)
    assert str(error).startswith(("own.toml: ", "boards/"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(BOARD)), values)
@example(("qspi", "chip"), 5)
@example(("qspi", "chip", "w25q128jv", "erase"), {"4096": {"typ_ms": 1}})
@example(("protect",), [{"region": "internal", "address": 1 << 31, "size": 1 << 32}])
def test_any_value_at_any_place_of_a_board_file(path: tuple[Any, ...], value: Any) -> None:
    try:
        parse_board(changed(BOARD, path, value), "own.toml", "stm32f746g-disco", LIBRARY)
    except BoardflashError as error:
        check(error)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(CHIP)), values)
@example(("assumed",), [])
@example(("assumed",), {"": {"value": 1, "reason": "x"}})
@example(("assumed",), {"erase": {"value": 1, "reason": "x"}})
@example(("name",), {})
def test_any_value_at_any_place_of_a_chip_file(path: tuple[Any, ...], value: Any) -> None:
    try:
        parse_chip(changed(CHIP, path, value), "own.toml", "n25q128a13")
    except BoardflashError as error:
        check(error)
