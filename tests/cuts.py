"""Scenes: a device, the run that is cut off on it, the next run, and what must hold after each.

`cut_off` runs up to the cut anew for every case; `forks.py` does the same for every call of one run.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

from boardflash.errors import BoardflashError
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.plan.file import make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from boardflash.program.run import flash
from boardflash.sim.jlink import Probe
from boardflash.sim.probe import KILLED
from rig import VECTORS, Rig, board_named

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
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


@contextmanager
def at_each_call(action: Callable[[Probe, int], None]) -> Iterator[None]:
    """`action(probe, n)` right before the nth call of a library does anything, its faults included."""
    count_call = Probe.count_call

    def counted(self: Probe) -> None:
        action(self, self._calls + 1)
        count_call(self)

    with patch.object(Probe, "count_call", counted):
        yield


@dataclass(frozen=True)
class Course:
    """Both plans of a scene, and the calls of a whole run of the first one. Calls count from 1."""

    plan: FlashPlan
    then: FlashPlan
    journal: tuple[tuple[str, ...], ...]  # the names of the journal's files, as each call begins

    @property
    def calls(self) -> int:
        return len(self.journal)

    def first(self, pattern: str) -> int:
        """The first call that finds such a file in the journal; 0: none does."""
        found = (n for n, names in enumerate(self.journal, 1) if any(fnmatch(x, pattern) for x in names))
        return next(found, 0)

    @property
    def owing(self) -> range:
        """From the first call that finds a journal to the last one: here the device is at work."""
        assert self.first("*"), "this run keeps no journal"
        return range(self.first("*"), max(n for n, names in enumerate(self.journal, 1) if names) + 1)

    @property
    def second_half(self) -> range:
        """Of a run that finds a journal from its first call on."""
        return range(self.calls // 2, self.calls - 2)


@dataclass(frozen=True)
class Scene:
    """A device that holds `before` and bytes of its own; a run that is to make it hold `after`."""

    folder: Path
    before: Images
    after: Images
    own: Mapping[tuple[str, int], bytes]  # (region, offset) -> the device's own bytes
    then: Images | None = None  # what the next run flashes; None: the same
    board: Mapping[str, str] = field(default_factory=dict)  # fields of the board to change

    @property
    def images(self) -> tuple[Images, ...]:
        return self.before, self.after, self.then or self.after

    def plan(self, name: str, images: Images) -> FlashPlan:
        """Plans are made once: each case only reads them."""
        board = replace(board_named("stm32f746g-disco"), **self.board)  # type: ignore[arg-type]
        artefact = shared_loader()
        segments = [Segment(address, data, f"bytes at {address:#x}") for address, data in images.items()]
        regions = [MemoryRange(region.name, region.base, region.size) for region in board.regions]
        loader = LoaderRef(artefact.elf, artefact.sha256, artefact.toolchain, artefact.protocol)
        return make_plan(board, split(segments, regions), loader, (), self.folder / name)

    def prepare(self) -> Course:
        """Make the device in `folder/device`."""
        rig = Rig(self.folder / "device")
        attempt(rig, self.plan("plan-0", self.before), {})
        for (region, offset), data in self.own.items():
            rig.set_memory(region, offset, data)
        return self.course()

    def course(self) -> Course:
        """What a whole, sound run on the device in `folder/device` is like."""
        plan, then = self.plan("plan-1", self.after), self.plan("plan-2", self.then or self.after)
        whole = self.copy("whole")
        seen: list[tuple[str, ...]] = []
        with at_each_call(lambda _probe, _n: seen.append(journal_files(whole))), whole.link() as link:
            flash(plan, link)
        assert self.wrong_with(whole, self.after) == ""
        shutil.rmtree(whole.folder)
        return Course(plan, then, tuple(seen))

    def cut_once(self, course: Course, cut: str, call: int, name: str) -> tuple[Scene, Course]:
        """The scene that a cut leaves: its run makes good."""
        scene = replace(self, folder=self.folder / name)
        rig = self.copy(f"{name}/device")
        assert cut_off(rig, course.plan, {cut: str(call)}), f"{cut}={call} did not cut the run off"
        return scene, scene.course()

    def copy(self, name: str) -> Rig:
        shutil.copytree(self.folder / "device" / "state", self.folder / name / "state")
        return Rig(self.folder / name)

    def wrong_with(self, rig: Rig, images: Images) -> str:
        """ "" when the device holds the images and its own bytes, nothing else, and nothing is owed to it."""
        expected = {"internal": bytearray(b"\xff" * 2**20), "qspi": bytearray(b"\xff" * 2**24)}
        layers = [self.before, images] if self.then is None else [images]
        content = [*self.own.items()]
        content += [(place(address), data) for layer in layers for address, data in layer.items()]
        for (region, offset), data in content:
            expected[region][offset : offset + len(data)] = data
        for region, bytes_ in expected.items():
            found = rig.memory(region)
            if self.then is not None:  # what the first image alone covered may hold anything of it
                for address, data in [*self.after.items(), *self.before.items()]:
                    where, offset = place(address)
                    if where == region:
                        for at in range(offset, offset + len(data)):
                            if not _covered(content, region, at):
                                found[at] = bytes_[at]
            if found != bytes_:
                at = next(i for i, (x, y) in enumerate(zip(found, bytes_, strict=True)) if x != y)
                return f"{region} differs from {at:#x} on"
        left = journal_files(rig)
        return f"journal holds {list(left)}" if left else ""


def _covered(content: Sequence[tuple[tuple[str, int], bytes]], region: str, at: int) -> bool:
    return any(r == region and o <= at < o + len(d) for (r, o), d in content)


def place(address: int) -> tuple[str, int]:
    """Region and offset."""
    return ("qspi", address - QSPI) if address >= QSPI else ("internal", address - INTERNAL)


def journal_files(rig: Rig) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in (rig.folder / "state" / "journal").rglob("*.*")))


def state_digest(rig: Rig) -> str:
    """Of all that outlives a run: the board's memories and the journal; not the lock, it names a process."""
    digest = hashlib.blake2b(digest_size=16)
    state = rig.folder / "state"
    for path in sorted(path for path in state.rglob("*") if path.is_file()):
        name = path.relative_to(state).as_posix()
        if not name.startswith("locks/"):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def boots_amiss(scene: Scene, rig: Rig) -> str:
    """ "" or what is wrong with a device that would boot: its stack pointer and reset vector stand.

    Behind them must be one whole image, in both memories if a run changes both.
    """
    left = {region: bytes(rig.memory(region)) for region in ("internal", "qspi")}

    def holds(images: Images) -> bool:
        places = ((place(address), data) for address, data in images.items())
        return all(left[region][offset:][: len(data)] == data for (region, offset), data in places)

    if left["internal"][:8] != VECTORS[:8]:
        return ""
    firmwares = [images for images in scene.images if INTERNAL in images]
    standing = [images for images in firmwares if holds({INTERNAL: images[INTERNAL]})]
    if not standing:
        return "boots half-written"
    if not any(holds(images) for images in standing):
        which = "old" if scene.before in standing else "new"
        return f"boots the {which} image, and the other memory does not hold it"
    return ""


def attempt(rig: Rig, plan: FlashPlan, faults: Mapping[str, str]) -> str:
    """One run; "" or the line that it ends with."""
    rig.faults = faults
    try:
        with rig.link() as link:
            flash(plan, link)
    except BoardflashError as error:
        return str(error)
    return ""


def cut_off(rig: Rig, plan: FlashPlan, faults: Mapping[str, str]) -> str:
    """The same; a run that is to be killed has a process of its own."""
    if "kill_at_call" not in faults:
        return attempt(rig, plan, faults)
    child = os.fork()
    if child == 0:
        try:
            attempt(rig, plan, faults)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return "killed" if os.waitstatus_to_exitcode(status) == KILLED else ""


def make_good(scene: Scene, rig: Rig, then: FlashPlan) -> str:
    """The next, sound run: "" or what is wrong after it."""
    failed = attempt(rig, then, {})
    if failed:
        return f"the next run fails: {failed}"
    return scene.wrong_with(rig, scene.images[-1])


def sample(calls: range, count: int) -> list[int]:
    """So many of these calls, the first and the last among them; BOARDFLASH_EVERY_CALL=1 takes all."""
    if os.environ.get("BOARDFLASH_EVERY_CALL") or len(calls) <= count:
        return list(calls)
    return [calls[(len(calls) - 1) * n // (count - 1)] for n in range(count)]
