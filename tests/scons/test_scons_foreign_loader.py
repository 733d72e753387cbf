"""A board that names a vendor's loader, by real SCons: what is built, made anew and removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from foreign.foreign_rig import board_text
from foreign.loaders import build_tiny

SITE_TOOLS = Path(__file__).resolve().parents[2] / "site_scons" / "site_tools"
SCONSTRUCT = f"""
env = Environment(tools=["flash"], toolpath=[r"{SITE_TOOLS}"])
env.FlashApplication("app", "art.bin@0x90000000", "bench.toml")
"""
FLASH = ("flash", "PROBE=sim", "TWIN=stm32f746g-disco")


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("loader") / "X.stldr")


@pytest.fixture
def bench(make_project, tmp_path: Path, loader: Path):
    project = make_project(tmp_path / "project", {"BOARDFLASH_STATE_DIR": str(tmp_path / "state")})
    project.write("SConstruct", SCONSTRUCT)
    project.write("bench.toml", board_text("vendor/X.stldr", chips=False))
    project.write("art.bin", "pictures" * 600)
    (project.folder / "vendor").mkdir()
    shutil.copyfile(loader, project.folder / "vendor" / "X.stldr")
    return project


def test_the_loader_lies_beside_the_plan_until_all_is_cleaned(bench) -> None:
    out = bench.run(*FLASH, "JSON=report.json").stdout
    assert "qspi: vendor/X.stldr works with the core halted between its calls" in out
    (copy,) = (bench.folder / "build").rglob("qspi-X.stldr")
    assert copy.read_bytes() == (bench.folder / "vendor" / "X.stldr").read_bytes()
    (region,) = json.loads((bench.folder / "report.json").read_text())["regions"]
    assert region["notes"][0].startswith("vendor/X.stldr works ")
    assert "0 bytes written" in bench.run(*FLASH).stdout
    bench.run("-c")
    assert not list((bench.folder / "build").rglob("qspi-X.stldr"))


def test_another_file_of_the_loader_makes_the_plan_anew(bench) -> None:
    bench.run()
    bench.up_to_date()
    path = bench.folder / "vendor" / "X.stldr"
    path.write_bytes(path.read_bytes() + b"\0")
    bench.not_up_to_date()
    bench.run()
    (copy,) = (bench.folder / "build").rglob("qspi-X.stldr")
    assert copy.read_bytes() == path.read_bytes()


def test_a_cache_brings_the_loader_back_with_the_plan(bench) -> None:
    bench.write("SConstruct", f'CacheDir("cache")\n{SCONSTRUCT}')
    bench.run()
    bench.run("-c")
    assert not list((bench.folder / "build").rglob("plan.json"))
    assert "Retrieved" in bench.run().stdout
    assert list((bench.folder / "build").rglob("qspi-X.stldr"))
    assert "4,864 bytes written" in bench.run(*FLASH).stdout
