"""One list of formats for the command line and the build; each bad request is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.cli.arguments import FORMAT_NAMES
from boardflash.description.load import load_board
from boardflash.errors import BoardflashError
from boardflash.export.formats import FORMATS, ExportRequest, export, exporter, format_named


def test_the_command_line_knows_every_format() -> None:
    assert tuple(each.name for each in FORMATS) == FORMAT_NAMES


def test_an_unknown_format_is_told_with_those_that_there_are() -> None:
    with pytest.raises(BoardflashError) as caught:
        format_named("jflash")
    assert str(caught.value) == f"there is no export format 'jflash'; there are {', '.join(FORMAT_NAMES)}"


def test_a_format_of_an_image_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError, match="made of an image: name the files"):
        export(format_named("uf2"), ExportRequest(load_board("stm32f746g-disco"), tmp_path))


@pytest.mark.parametrize("name", [name for name in FORMAT_NAMES if name != "uf2"])
def test_every_export_is_the_same_in_another_folder_and_makes_what_it_says(name: str, tmp_path: Path) -> None:
    board = load_board("stm32f746g-disco")
    chosen = format_named(name)
    one, two = tmp_path / "one", tmp_path / "another" / "folder"
    made = export(chosen, ExportRequest(board, one))
    export(chosen, ExportRequest(board, two))
    assert [path.relative_to(one).as_posix() for path in made] == list(exporter(chosen).names(board))
    for path in made:
        data = path.read_bytes()
        assert data and data == (two / path.relative_to(one)).read_bytes()
        assert str(tmp_path).encode() not in data
    assert {p for p in one.rglob("*") if p.is_file()} == set(made), "nothing else is left behind"
