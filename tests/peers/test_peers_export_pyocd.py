"""pyOCD, unmodified, flashes both memories through the user script and the algorithm that we export.

By its command line, in its own virtual environment, on the simulated board (see pyocd_client.py).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from peers.both_memories import app_assets, app_code, app_elf
from peers.images import FLASH_BASE, assets, firmware
from peers.pyocd_client import ROOT, RUN_SECONDS, PyocdBench

WINDOW = 0x90000000
CODE_SIZE, ASSETS_SIZE = 3_000, 5_001
#: Board file, and the board that is really there.
BOARDS = [
    ("stm32f746g-disco", "stm32f746g-disco"),
    ("stm32f746g-disco", "stm32f746g-disco-c03"),
    ("acme-panel", "acme-panel"),
]


class Consumer(PyocdBench):
    """A bench whose pyOCD is told nothing but our files."""

    def run(self, folder: Path, *words: str) -> str:
        report = self.folder / "report.json"
        peer = {"twin": self.twin, "state": str(self.folder), "serial": self.serial, "report": str(report)}
        path = os.pathsep.join(map(str, (self._plugin, ROOT / "site_scons", ROOT / "tests")))
        done = subprocess.run(
            [str(self.python), "-m", "pyocd", *words, "-u", self.serial, "--no-wait"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "BOARDFLASH_PEER": json.dumps(peer)},
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def content(self, region: str) -> bytes:
        return (self.folder / "sim" / self.serial / f"{region}.bin").read_bytes()


@pytest.fixture(scope="module", params=BOARDS, ids=[twin for _, twin in BOARDS])
def consumer(
    request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Consumer:
    name, twin = request.param
    folder = tmp_path_factory.mktemp("pyocd-export")
    bench = Consumer(python, folder, twin, serial="export")
    board = SimulatedBoard(load_twin(twin), BoardState.load(folder, bench.serial))
    board.chip.array[:ASSETS_SIZE] = assets(ASSETS_SIZE, seed=8)
    board.save()
    export(format_named("pyocd"), ExportRequest(load_board(name), folder / "loaders"))
    (folder / "code.bin").write_bytes(firmware(CODE_SIZE, seed=1))
    (folder / "assets.bin").write_bytes(assets(ASSETS_SIZE, seed=2))
    return bench


def script(bench: Consumer) -> Path:
    (found,) = (bench.folder / "loaders").glob("*_pyocd.py")
    return found


def docs() -> str:
    return (ROOT / "docs" / "export-pyocd.md").read_text(encoding="utf-8")


def erased(output: str) -> int:
    found = re.search(r"Erased (\d+) bytes", output)
    assert found, output
    return int(found[1])


def test_the_command_line_flashes_both_memories_by_our_script(consumer: Consumer) -> None:
    """Named by a path from another folder: the script finds its algorithm beside itself."""
    named = os.path.relpath(script(consumer), consumer.folder)
    words = ["load", "-t", "cortex_m", "-M", "halt", "-v", "--no-config", "--script", named]
    images = [f"code.bin@{FLASH_BASE:#x}", f"assets.bin@{WINDOW:#x}"]
    output = consumer.run(consumer.folder, *words, *images)
    assert erased(output) == 0x8000 + 0x10000
    assert consumer.content("internal")[:CODE_SIZE] == firmware(CODE_SIZE, seed=1)
    assert consumer.content("qspi")[:ASSETS_SIZE] == assets(ASSETS_SIZE, seed=2)
    assert erased(consumer.run(consumer.folder, *words, *images)) == 0


def test_flash_command_takes_it_and_so_does_pyocd_yaml(consumer: Consumer, tmp_path: Path) -> None:
    """docs/export-pyocd.md's pyocd.yaml, in the folder with the script and the algorithms."""
    for path in (consumer.folder / "loaders").iterdir():
        shutil.copy(path, tmp_path)
    name = script(consumer).name
    shown = re.search(r"```yaml\n(.*?)```", docs(), re.S)
    assert shown
    told = shown[1].replace("stm32f746g-disco_pyocd.py", name)
    (tmp_path / "pyocd.yaml").write_text(told, encoding="utf-8")
    content = assets(700, seed=4)
    (tmp_path / "some.bin").write_bytes(content)
    output = consumer.run(tmp_path, "flash", "-v", "-a", f"{WINDOW + 0x20000:#x}", "some.bin")
    assert erased(output) == 0x10000
    assert consumer.content("qspi")[0x20000 : 0x20000 + 700] == content


def test_an_elf_of_both_memories_is_loaded_as_the_docs_show(consumer: Consumer) -> None:
    """The command of docs/export-pyocd.md and its lines."""
    loaders = script(consumer).parent
    shown = re.search(r"`pyocd (load .*) app\.elf`", docs())
    assert shown
    (loaders / "app.elf").write_bytes(app_elf())
    words = shown[1].replace("stm32f746g-disco_pyocd.py", script(consumer).name).split()
    told = re.search(r"```\n(Erased .*)\n(Erased .*)\n```", docs())
    assert told
    for line in told.groups():
        assert line in consumer.run(loaders, *words, "--no-config", "app.elf")
    assert consumer.content("internal")[: len(app_code())] == app_code()
    assert consumer.content("qspi")[: len(app_assets())] == app_assets()


def test_a_target_that_knows_its_internal_flash_keeps_it(consumer: Consumer) -> None:
    """The STM32F767 that pyOCD has built in: its own regions stay, ours is added."""
    words = ["commander", "-t", "stm32f767zi", "-M", "attach", "--no-config"]
    words += ["--script", str(script(consumer)), "-c", "show map", "-c", "exit"]
    output = consumer.run(consumer.folder, *words)
    starts = re.findall(r"(0x[0-9a-f]{8})\s+\|?\s*(?:0x[0-9a-f]{8})", output)
    assert {"0x08000000", "0x08020000", "0x08040000", "0x90000000"} <= set(starts), output
