"""Cut a run off at one call of the library, run again, say what was found: for every call there is."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.plan.file import make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from boardflash.program.run import flash
from rig import VECTORS, Rig, board_named

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
QUESTIONS = ("JLINKARM_IsOpen", "JLINKARM_EMU_IsConnected", "JLINKARM_IsConnected")
Images = Mapping[int, bytes]


@lru_cache(maxsize=1)
def shared_loader() -> LoaderArtefact:
    """Built once a process; its folder goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="boardflash-loader-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_loader(board_named("stm32f746g-disco"), folder, Toolchain.zig())


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def firmware(size: int, seed: int) -> bytes:
    return VECTORS + noise(size - len(VECTORS), seed)


@dataclass(frozen=True)
class Scene:
    """A device that holds `before` and bytes of its own; a run that is to make it hold `after`."""

    folder: Path
    before: Images
    after: Images
    own: Mapping[tuple[str, int], bytes]  # (region, offset) -> the device's own bytes
    then: Images | None = None  # what the next run flashes; None: the same
    board: Mapping[str, str] = field(default_factory=dict)  # fields of the board to change

    def plan(self, name: str, images: Images) -> FlashPlan:
        """Plans are made once: each case only reads them."""
        board = replace(board_named("stm32f746g-disco"), **self.board)  # type: ignore[arg-type]
        artefact = shared_loader()
        segments = [Segment(address, data, f"bytes at {address:#x}") for address, data in images.items()]
        regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
        loader = LoaderRef(artefact.elf, artefact.sha256, artefact.toolchain, artefact.protocol)
        return make_plan(board, split(segments, regions), loader, (), self.folder / name)

    def prepare(self) -> tuple[FlashPlan, FlashPlan, int]:
        """The device in `folder/device`, both plans, and how many calls a whole run makes."""
        rig = Rig(self.folder / "device")
        attempt(rig, self.plan("plan-0", self.before), {})
        for (region, offset), data in self.own.items():
            rig.set_memory(region, offset, data)
        plan, then = self.plan("plan-1", self.after), self.plan("plan-2", self.then or self.after)
        whole = self.copy("whole")
        whole.trace = self.folder / "whole.jsonl"
        with whole.link() as link:
            flash(plan, link)
        assert self.wrong_with(whole, self.after) == ""
        rows = (json.loads(line) for line in whole.trace.read_text().splitlines())
        calls = sum(1 for row in rows if row.get("call", row.get("fn", QUESTIONS[0])) not in QUESTIONS)
        return plan, then, calls

    def copy(self, name: str) -> Rig:
        shutil.copytree(self.folder / "device" / "state", self.folder / name / "state")
        return Rig(self.folder / name)

    def wrong_with(self, rig: Rig, images: Images) -> str:
        """ "" when the device holds the images and its own bytes, nothing else, and nothing is owed to it."""
        expected = {"internal": bytearray(b"\xff" * 2**20), "qspi": bytearray(b"\xff" * 2**24)}
        layers = [self.before, images] if self.then is None else [self.before, self.after, images]
        content = {(r, o): d for (r, o), d in self.own.items()}
        for layer in layers if self.then is None else []:
            for address, data in layer.items():
                content[_place(address)] = data
        if self.then is not None:
            for address, data in images.items():
                content[_place(address)] = data
        for (region, offset), data in content.items():
            expected[region][offset : offset + len(data)] = data
        for region, bytes_ in expected.items():
            found = rig.memory(region)
            if self.then is not None:  # what the first image alone covered may hold anything of it
                for address, data in [*self.after.items(), *self.before.items()]:
                    where, offset = _place(address)
                    if where == region:
                        for at in range(offset, offset + len(data)):
                            if not _covered(content, region, at):
                                found[at] = bytes_[at]
            if found != bytes_:
                at = next(i for i, (x, y) in enumerate(zip(found, bytes_, strict=True)) if x != y)
                return f"{region} differs from {at:#x} on"
        left = sorted(path.name for path in (rig.folder / "state" / "journal").rglob("*.*"))
        return f"journal holds {left}" if left else ""


def _covered(content: Mapping[tuple[str, int], bytes], region: str, at: int) -> bool:
    return any(r == region and o <= at < o + len(d) for (r, o), d in content.items())


def _place(address: int) -> tuple[str, int]:
    return ("qspi", address - QSPI) if address >= QSPI else ("internal", address - INTERNAL)


@dataclass(frozen=True)
class Case:
    faults: tuple[Mapping[str, str], ...]  # one run after the other, each cut off; then a sound one


def _boots_half_written(scene: Scene, rig: Rig, images: Sequence[Images]) -> bool:
    """Stack pointer and reset vector stand, and behind them is not one whole image."""
    left = bytes(rig.memory("internal"))
    if left[:8] != VECTORS[:8]:
        return False
    return not any(left[: len(image[INTERNAL])] == image[INTERNAL] for image in images if INTERNAL in image)


def attempt(rig: Rig, plan: FlashPlan, faults: Mapping[str, str]) -> None:
    rig.faults = faults
    try:
        with rig.link() as link:
            flash(plan, link)
    except BoardflashError:
        return


def run_case(scene: Scene, plan: FlashPlan, then: FlashPlan, name: str, case: Case) -> str:
    """ "" or what went wrong."""
    rig = scene.copy(name)
    images = [scene.before, scene.after, scene.then or scene.after]
    for index, faults in enumerate(case.faults):
        if "kill_at_call" in faults:
            child = os.fork()
            if child == 0:
                try:
                    attempt(rig, plan if index == 0 else then, faults)
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
        else:
            attempt(rig, plan if index == 0 else then, faults)
        if _boots_half_written(scene, rig, images):
            return f"{case.faults[: index + 1]}: boots half-written"
    rig.faults = {}
    try:
        with rig.link() as link:
            flash(then, link)
    except BoardflashError as error:
        return f"{case.faults}: the next run fails: {error}"
    wrong = scene.wrong_with(rig, scene.then or scene.after)
    shutil.rmtree(rig.folder, ignore_errors=True)
    return f"{case.faults}: {wrong}" if wrong else ""


def _in_child(task: tuple[Scene, FlashPlan, FlashPlan, str, Case]) -> str:
    return run_case(*task)


def failures(
    scene: Scene, plan: FlashPlan, then: FlashPlan, cases: Sequence[Case], workers: int = 2
) -> list[str]:
    """All cases, two at a time, each in a process of its own."""
    tasks = [(scene, plan, then, f"case-{n}", case) for n, case in enumerate(cases)]
    with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=8) as pool:
        return [wrong for wrong in pool.imap_unordered(_in_child, tasks) if wrong]


def every(total: int, stride: int = 1, first: int = 1) -> Iterator[int]:
    """The calls to cut at; BOARDFLASH_EVERY_CALL=1 takes all of them."""
    step = 1 if os.environ.get("BOARDFLASH_EVERY_CALL") else stride
    yield from range(1 if step == 1 else first, total + 1, step)
