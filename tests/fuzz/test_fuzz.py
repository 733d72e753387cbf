"""Every parser against hostile files: what it was made for, or one clear line; soon, and without much memory.

BOARDFLASH_FUZZ=N runs N inputs for each parser instead of a few. A line like `plan 4711` names an input that
can be made again: `mutated(seed, kind, 4711, "plan")`.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bincopy
import pytest

from boardflash.cli.stamps import read_stamp, why_not_trusted
from boardflash.description.load import load_board
from boardflash.errors import BoardflashError
from boardflash.export import uf2
from boardflash.foreign.read import read_loader
from boardflash.image.inputs import InputSpec, load_inputs
from boardflash.image.model import MemoryRange
from boardflash.image.split import split_inputs
from boardflash.link import probes
from boardflash.link.lock import _holder
from boardflash.loader.artefact import load_artefact
from boardflash.plan.describe import describe
from boardflash.plan.file import load_plan
from boardflash.program.journal import Journal, Preserved, owed
from boardflash.program.run import flash
from boardflash.resources import data_dir
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from fuzz.mutations import mutated
from image.elf_corpus import FLASH, armlink, gnu
from rig import VECTORS, Rig

INPUTS = int(os.environ.get("BOARDFLASH_FUZZ", "60"))
PATIENCE_S = 5.0
MEMORY_MOST = 1 << 30
REGIONS = (MemoryRange("internal", FLASH, 1 << 20), MemoryRange("qspi", 0x9000_0000, 1 << 24))
RAM = (MemoryRange("RAM", 0x2000_0000, 0x5_0000),)


@dataclass(frozen=True)
class Parser:
    """What reads a file, and a good one for it. `place`: where the file goes, below a folder of its own."""

    name: str
    kind: str
    seed: bytes
    read: Callable[[Path], object]
    place: str


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("fuzz")
        patch.setenv("BOARDFLASH_STATE_DIR", str(folder / "state"))
        yield Rig(folder)


@pytest.fixture(scope="module")
def parsers(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parser]:
    plan = rig.plan({FLASH: VECTORS + bytes(64), 0x9000_0000: random.Random(1).randbytes(5000)})
    trace = rig.folder / "trace.jsonl"
    rig.trace = trace
    with rig.link() as link:
        flash(plan, link)
    rig.trace = None
    loader = plan.loader_path.read_bytes()
    state = rig.folder / "state" / "sim" / rig.serial
    journal = Journal(rig.folder / "other", "ab" * 12, "qspi", "20ba18")
    journal.keep(0x9000_0000, (Preserved(0x9000_0000, b"kept" * 20), Preserved(0x9000_0100, b"\xff" * 256)))
    journal.begin(0x9000_0000)
    board = rig.board.probe
    images = [plan.region_image(region.name) for region in plan.regions]
    srec = bincopy.BinFile()
    for image in images:
        srec.add_binary(image.to_bin()[:600], image.address)
    srec.execution_start_address = FLASH + 9

    def replayed(path: Path) -> None:
        settings = {
            "jlink_device": rig.board.part.jlink_device,
            "interface": board.interface,
            "speed_khz": board.speed_khz,
            "under_reset": board.connect_under_reset,
        }
        with probes.open_replay(path, **settings) as replay:  # type: ignore[arg-type]
            flash(plan, replay)

    def board_with_state(path: Path) -> None:
        SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.load(path.parents[2], "7")).save()

    def planned(path: Path) -> None:
        describe(load_plan(path))

    def journalled(path: Path) -> None:
        for entry in owed(path.parents[3]):
            entry.journal.outside(0x9000_0000, 1 << 24)
            entry.journal.pending()

    def inputs(path: Path) -> None:
        split_inputs(load_inputs([InputSpec(path)]), REGIONS, RAM)

    boards = data_dir("boards")
    twins = Path(load_twin.__code__.co_filename).parent / "twins"
    stamp = b'{"schema": 1, "plan": "x", "unique_id": "y", "jedec_id": "20", "regions": [{"name": "qspi"}]}'
    record = b'{"command": "flash", "pid": 12, "since": "2026-01-01"}'
    found = [
        Parser("plan", "json", (plan.folder / "plan.json").read_bytes(), planned, "plan/plan.json"),
        Parser("trace", "lines", trace.read_bytes(), replayed, "trace.jsonl"),
        Parser("state", "json", (state / "board.json").read_bytes(), board_with_state, "sim/7/board.json"),
        Parser(
            "journal",
            "json",
            journal.path(0x9000_0000).read_bytes(),
            journalled,
            f"journal/{'ab' * 12}/qspi-20ba18/90000000.json",
        ),
        Parser(
            "stamp", "json", stamp, lambda path: why_not_trusted([read_stamp(path)], "x", [], "y", ""), "s"
        ),
        Parser("lock", "json", record, _holder, "probe-1.lock"),
        Parser(
            "twin",
            "toml",
            (twins / "stm32f746g-disco.toml").read_bytes()
            + b'option_bytes = { optcr = 1 }\nstart = "noise"\n',
            lambda path: SimulatedBoard(load_twin(str(path)), BoardState.in_memory()),
            "twin.toml",
        ),
        Parser(
            "board",
            "toml",
            (boards / "stm32f746g-disco.toml").read_bytes(),
            load_board,
            "b/stm32f746g-disco.toml",
        ),
        Parser("loader", "binary", loader, load_artefact, "loader.elf"),
        Parser("gnu", "binary", gnu("", 0x1000, FLASH + 0x1000).file(), inputs, "app.elf"),
        Parser("armlink", "binary", armlink("", regions=2, packed=True).file(), inputs, "app.axf"),
        Parser("hex", "binary", (plan.folder / "internal.hex").read_bytes(), inputs, "app.hex"),
        Parser("srec", "binary", srec.as_srec(address_length_bits=32).encode(), inputs, "app.s19"),
        Parser(
            "titxt",
            "binary",
            b"@8000000\n20 00 05 20 09 00 00 08\n@8000100\n01 02 03\nq\n",
            inputs,
            "app.txt",
        ),
        Parser("uf2", "binary", uf2.encode(images, 0x53B80F00), inputs, "app.uf2"),
        Parser("flm", "binary", loader, lambda path: read_loader(path, "x.FLM"), "x.FLM"),
    ]
    return {parser.name: parser for parser in found}


NAMES = (
    "plan",
    "trace",
    "state",
    "journal",
    "stamp",
    "lock",
    "twin",
    "board",
    "loader",
    "gnu",
    "armlink",
    "hex",
    "srec",
    "titxt",
    "uf2",
    "flm",
)


def test_each_parser_is_named(parsers: dict[str, Parser]) -> None:
    assert tuple(parsers) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_costs_one_line_at_most(
    name: str, parsers: dict[str, Parser], rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = parsers[name]
    path = tmp_path / parser.place
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = rig.folder / "plan" if name == "plan" else rig.folder / "state" / "sim" / rig.serial
    if name in ("plan", "state"):
        for file in beside.iterdir():
            (path.parent / file.name).write_bytes(file.read_bytes())
        (tmp_path / "loader").mkdir()
        for file in (rig.folder / "loader").rglob("*.elf"):
            (tmp_path / "loader" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr("boardflash.link.lock.time.sleep", lambda _seconds: None)  # it asks ten times
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(INPUTS):
        path.write_bytes(mutated(parser.seed, parser.kind, number, name))
        started = time.monotonic()
        try:
            parser.read(path)
        except BoardflashError as error:
            refused += 1
            told = str(error)
            assert told.isprintable() and len(told) < 2000, (name, number, told)
        except Exception as error:
            raise AssertionError(f"{name} {number}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - started < PATIENCE_S, f"{name} {number} took too long"
    if name not in ("stamp", "lock"):
        assert refused > INPUTS // 10, "the inputs are not hostile"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MEMORY_MOST, name
