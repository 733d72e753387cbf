"""`FlashExport` with the real commands: made by `scons exports`, and made anew when it must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.export.formats import FORMATS, exporter

SITE_TOOLS = Path(__file__).resolve().parents[2] / "site_scons" / "site_tools"
SCONSTRUCT = f"""
env = Environment(tools=["flash"], toolpath=[r"{SITE_TOOLS}"])
env.FlashExport("exports/openocd", "stm32f746g-disco", "openocd")
env.FlashExport("exports/uf2", "stm32f746g-disco", "uf2", "data.bin@0x90000000")
"""


@pytest.fixture
def exporting(make_project, tmp_path: Path):
    project = make_project(tmp_path / "project", {"BOARDFLASH_STATE_DIR": str(tmp_path / "state")})
    project.write("SConstruct", SCONSTRUCT)
    project.write("data.bin", "firmware")
    return project


def test_exports_are_made_when_asked_for_and_only_then(exporting) -> None:
    exporting.run()
    assert not (exporting.folder / "exports" / "openocd" / "stm32f746g-disco.cfg").exists()
    exporting.run("exports")
    assert (exporting.folder / "exports" / "openocd" / "stm32f746g-disco.cfg").stat().st_size > 100
    assert (exporting.folder / "exports" / "uf2" / "stm32f746g-disco.uf2").stat().st_size == 512
    exporting.up_to_date("exports")


def test_every_format_is_made_by_its_builder_and_is_up_to_date_then(exporting) -> None:
    board = load_board("stm32f746g-disco")
    calls = [
        f'env.FlashExport("all/{each.name}", "{board.name}", "{each.name}"'
        + (', "data.bin@0x90000000")' if each.of_image else ")")
        for each in FORMATS
    ]
    exporting.write("SConstruct", "\n".join([SCONSTRUCT.split("env.FlashExport")[0], *calls]))
    exporting.run("exports")
    for each in FORMATS:
        for name in exporter(each).names(board):
            assert (exporting.folder / "all" / each.name / name).stat().st_size > 0
    exporting.up_to_date("exports")


def test_a_changed_image_makes_what_is_made_of_it_anew(exporting) -> None:
    exporting.run("exports")
    exporting.write("data.bin", "other firmware")
    exporting.not_up_to_date("exports")
    out = exporting.run("exports").stdout
    assert "export uf2" in out and "export openocd" not in out


def test_an_unknown_format_is_one_line_that_names_the_place(exporting) -> None:
    exporting.write("SConstruct", SCONSTRUCT.replace('"openocd")', '"jflash")'))
    told = exporting.run("exports", expect=2).text
    assert "there is no export format 'jflash'; there are flm, jlink" in told
    assert "(SConstruct, line 3)" in told
