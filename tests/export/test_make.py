"""flash.mk in a project of its own, by real make, on the simulated board."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.link.probes import default_serial

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

ROOT = Path(__file__).resolve().parents[2]
BOARD = "stm32f746g-disco"
STAMPS = f"build/flash/sim-{default_serial(BOARD)}"
MAKEFILE = """\
FLASH_INPUTS := build/code.bin@0x08000000 build/pictures.bin@0x90000000
include flash.mk

all: build/code.bin build/pictures.bin

build/%.bin: %.src
	@mkdir -p build
	cp $< $@

clean:
	rm -rf build/*.bin
"""


@dataclass(frozen=True)
class Project:
    folder: Path
    state: Path

    def make(self, *words: str, code: int = 0, inputs: str | None = None) -> str:
        program = f"{shlex.quote(sys.executable)} -m boardflash"
        command = ["make", f"BOARDFLASH={program}", *words]
        if inputs is not None:
            command.append(f"FLASH_INPUTS={inputs}")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "BOARDFLASH_"))}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(ROOT / "site_scons"), "BOARDFLASH_STATE_DIR": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def stamp(self, region: str) -> dict[str, object]:
        found = json.loads((self.folder / STAMPS / f"{region}.stamp").read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder that has the board's loader already."""
    folder = tmp_path_factory.mktemp("loaders")
    made = new_project(folder / "project", folder / "state")
    made.make("plan")
    return made.state


@pytest.fixture
def project(tmp_path: Path, loaders: Path) -> Project:
    shutil.copytree(loaders, tmp_path / "state")
    return new_project(tmp_path / "project", tmp_path / "state")


def new_project(folder: Path, state: Path) -> Project:
    export(format_named("make"), ExportRequest(load_board(BOARD), folder))
    made = Project(folder, state)
    made.write("Makefile", MAKEFILE.encode())
    made.write("code.src", bytes(range(250)) * 10)
    made.write("pictures.src", bytes(range(100, 250)) * 20)
    return made


def test_flash_writes_then_nothing_then_what_changed(project: Project) -> None:
    first = project.make("flash", "PROBE=sim")
    assert "cp code.src build/code.bin" in first, "inputs are built when they are needed"
    assert "5,500 bytes written" in first
    second = project.make("flash", "PROBE=sim")
    assert "0 bytes written, 5,500 bytes unchanged" in second
    assert "cp " not in second
    assert "the device matches the plan" in project.make("verify", "PROBE=sim")

    project.write("pictures.src", bytes(range(100, 250)) * 19 + bytes(150))
    differs = project.make("verify", "PROBE=sim", code=2)
    assert "qspi: 1 of 1 granules differ" in differs and "internal: 2,500 bytes match" in differs
    third = project.make("flash", "PROBE=sim")
    assert re.search(r"^qspi: .*, verified \d", third, re.M)
    assert "internal: erased 0 bytes, programmed 0 bytes" in third
    assert "the device matches the plan" in project.make("verify", "PROBE=sim")


def test_stamps_are_those_of_the_scons_builders(project: Project) -> None:
    """Same folder, same names, same content: the plan, the device, the region."""
    project.make("flash", "PROBE=sim")
    plan = json.loads((project.folder / f"build/plan-{BOARD}/plan.json").read_text(encoding="utf-8"))
    for region in ("internal", "qspi"):
        stamp = project.stamp(region)
        assert stamp["board"] == BOARD and stamp["simulated"] is True and stamp["unique_id"]
        assert [each["name"] for each in stamp["regions"]] == [region]  # type: ignore[attr-defined]
    assert project.stamp("internal")["plan"] == project.stamp("qspi")["plan"]
    assert plan["board"]["name"] == BOARD
    trusted = project.make("flash", "PROBE=sim", "FLASH_OPTIONS=--trust stamp")
    assert "going by the stamp of an earlier run" in trusted


def test_a_region_alone_gets_its_own_stamp_and_no_other(project: Project) -> None:
    done = project.make("flash", "PROBE=sim", "REGION=qspi")
    assert "3,000 bytes written" in done and "internal:" not in done
    assert project.stamp("qspi")["board"] == BOARD
    assert not (project.folder / STAMPS / "internal.stamp").exists()


def test_a_failed_run_leaves_no_stamp(project: Project) -> None:
    project.make("flash", "PROBE=sim")
    project.write("code.src", bytes(2500))
    failed = project.make("flash", "PROBE=sim", "FLASH_PROBE_OPTIONS=--fault unplug_at_call=60", code=2)
    assert "bytes written" not in failed
    assert not (project.folder / STAMPS / "internal.stamp").exists()


def test_what_make_alone_does_stays_the_projects_own(project: Project) -> None:
    """The first goal is `all`, and neither it nor `clean` knows of a device or of a plan."""
    assert project.make() == "cp code.src build/code.bin\ncp pictures.src build/pictures.bin\n"
    assert project.make("all") == "make: Nothing to be done for 'all'.\n"
    project.make("flash", "PROBE=sim")
    assert project.make("clean") == "rm -rf build/*.bin\n"
    assert project.stamp("qspi"), "stamps stay"
    assert sorted(p.name for p in (project.folder / "build").iterdir()) == ["flash", f"plan-{BOARD}"]


def test_the_plan_is_made_again_only_when_something_of_it_changed(project: Project) -> None:
    plan = project.folder / f"build/plan-{BOARD}/plan.json"
    assert f"board   {BOARD}" in project.make("plan")
    made = plan.stat().st_mtime_ns
    project.make("plan")
    assert plan.stat().st_mtime_ns == made
    assert "region  qspi" not in project.make("plan", inputs="build/code.bin@0x08000000")
    changed = plan.stat().st_mtime_ns
    assert changed > made, "other inputs"
    project.make("plan", inputs="build/code.bin@0x08000000")
    assert plan.stat().st_mtime_ns == changed
    project.write("code.src", b"other" * 100)
    assert "500 bytes in 1 run" in project.make("plan", inputs="build/code.bin@0x08000000")


def test_a_board_file_of_ones_own_is_watched(project: Project) -> None:
    own = project.folder / "own.toml"
    own.write_text(
        (ROOT / "boards" / f"{BOARD}.toml").read_text(encoding="utf-8").replace(f'"{BOARD}"', '"own"'),
        encoding="utf-8",
    )
    assert "board   own " in project.make("plan", "FLASH_BOARD=own.toml")
    own.write_text(own.read_text(encoding="utf-8").replace('"n25q128a13", ', ""), encoding="utf-8")
    assert "n25q128a13" not in project.make("plan", "FLASH_BOARD=own.toml")


def test_a_bad_input_leaves_no_plan_behind(project: Project) -> None:
    plan = project.folder / f"build/plan-{BOARD}/plan.json"
    project.make("plan")
    told = project.make("flash", "PROBE=sim", code=2, inputs="build/code.bin@0x70000000")
    assert "0x70000000" in told and not plan.exists()


def test_without_inputs_it_says_what_to_set(project: Project) -> None:
    assert "flash.mk: set FLASH_INPUTS" in project.make("flash", "PROBE=sim", code=2, inputs="")


def test_no_probe_is_simulated_unless_it_is_named(project: Project) -> None:
    told = project.make("flash", code=2)
    assert "no hardware is touched" not in told and "bytes written" not in told


def test_flash_and_verify_in_one_run_keep_their_order(project: Project) -> None:
    told = project.make("-j4", "verify", "flash", "PROBE=sim")
    assert told.index("bytes written") < told.index("the device matches the plan")


def test_the_docs_show_what_make_prints(project: Project) -> None:
    """docs/export-make.md: the lines under its `make flash PROBE=sim`, one run after the other."""
    text = (ROOT / "docs" / "export-make.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n\$ make (flash|verify) PROBE=sim\n(.*?)```", text, re.S)
    assert [verb for verb, _ in blocks] == ["flash", "flash", "verify"]
    for verb, expected in blocks:
        printed = project.make(verb, "PROBE=sim")
        for line in expected.splitlines():
            assert line in printed.splitlines()
