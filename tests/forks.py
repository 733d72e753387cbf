"""Cut one run off at each of its calls without replaying what came before: by fork(2).

The run goes on undisturbed in a process of its own, the runner. At each call it stops for as long as it
takes to copy its state folder, then forks. The child, the judge, forks once more: that victim moves into
the copy, sets the fault for this very call, and goes on with the run, which is so cut off at its next step.
The judge waits for its end, looks at what is left, runs again, and tells.

What the next run makes of a state hangs on that state alone: the board, its clock and the loader are new.
So cases that the cut leaves with the very same bytes share one next run; BOARDFLASH_EVERY_CALL=1 has one
for each case.

All paths of a run lie below BOARDFLASH_STATE_DIR, which is relative here: a process that changes its
folder has moved with all that it writes. Its only open file there is the probe's lock; that moves, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from boardflash.errors import BoardflashError, ExitCode
from boardflash.program.run import flash
from boardflash.sim.jlink import Probe
from boardflash.sim.probe import KILLED
from cuts import Course, Scene, at_each_call, boots_amiss, make_good, state_digest
from rig import Rig

CABLE, POWER, KILL = "unplug_at_call", "power_cut_at_call", "kill_at_call"
#: No faults of the link, but Ctrl-C, by how often it is pressed.
CONTROL_C = {"control_c": 1, "control_c_twice": 2}
WORKERS = 2
EACH = bool(os.environ.get("BOARDFLASH_EVERY_CALL"))
_BROKEN = 99
_STATE = Path("state")


@dataclass(frozen=True)
class Outcome:
    call: int
    ended: str  # the line that the cut run ended with; "" when it noticed nothing
    code: int  # and its exit code
    wrong: str  # "" or what was wrong after the cut, or after the next run
    left: str  # digest of the state after the cut
    made: str = ""  # and after the next run, where that was this case's own


Look = Callable[[Scene, Rig], str]


def cut_at(
    scene: Scene,
    course: Course,
    cut: str,
    calls: Collection[int],
    *,
    look: Look = boots_amiss,
    each: bool = EACH,
) -> list[Outcome]:
    """One run of `course.plan`, cut off at each of `calls`; the outcomes by call.

    `cut` is a fault of the link by its name, or one of CONTROL_C. `look` says what is wrong right
    after the cut.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{cut}-", dir=scene.folder))
    rig = scene.copy(f"{folder.name}/run")
    runner = os.fork()
    if runner == 0:
        _as_a_process(lambda: Runner(scene, course, cut, calls, rig, look, each).run())
    _, status = os.waitpid(runner, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the run that is forked from fails ({cut})"
    assert scene.wrong_with(rig, scene.after) == "", "the forks have disturbed the run"
    outcomes = [Outcome(**json.loads(path.read_text())) for path in folder.glob("*.json")]
    shutil.rmtree(folder)
    return sorted(outcomes, key=lambda outcome: outcome.call)


class Runner:
    """The process with the run; its forks have a copy of this object each."""

    def __init__(
        self,
        scene: Scene,
        course: Course,
        cut: str,
        calls: Collection[int],
        rig: Rig,
        look: Look,
        each: bool,
    ) -> None:
        self._scene, self._course, self._cut = scene, course, cut
        self._calls = frozenset(calls)
        self._rig, self._look, self._each = rig, look, each
        self._judges: set[int] = set()
        self._forking = True

    def run(self) -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also below a shell's `&`
        os.chdir(self._rig.folder)
        os.environ["BOARDFLASH_STATE_DIR"] = str(_STATE)
        runner = os.getpid()
        code, line = ExitCode.OK, ""
        try:
            with at_each_call(self._at_call), self._rig.link() as link:
                flash(self._course.plan, link)
        except BoardflashError as error:
            code, line = error.code, str(error)
        except KeyboardInterrupt:  # before the run holds it back; the command line says the same
            code, line = ExitCode.INTERRUPTED, "interrupted"
        if os.getpid() != runner:  # the victim of a cut
            Path("ended").write_text(line, encoding="utf-8")
            return int(code)
        while self._judges:
            self._reap()
        return int(code)

    def _at_call(self, probe: Probe, call: int) -> None:
        if not self._forking or call not in self._calls:
            return
        case = self._rig.folder.parent / str(call)
        shutil.copytree(_STATE, case / _STATE)
        while len(self._judges) >= WORKERS:
            self._reap()
        judge = os.fork()
        if judge:
            self._judges.add(judge)
            return
        self._forking = False
        victim = os.fork()
        if victim:
            _as_a_process(lambda: self._judge(case, call, victim))
        _move_into(case)
        if self._cut not in CONTROL_C:
            # Both the probe and what closes it hold this one object.
            object.__setattr__(probe.faults, self._cut, call)
        for _ in range(CONTROL_C.get(self._cut, 0)):
            os.kill(os.getpid(), signal.SIGINT)

    def _judge(self, case: Path, call: int, victim: int) -> int:
        """The lock is free again when the victim has ended: the next run takes it."""
        _, status = os.waitpid(victim, 0)
        code = os.waitstatus_to_exitcode(status)
        rig = Rig(case)
        ended = case / "ended"
        line = ended.read_text(encoding="utf-8") if ended.exists() else ""
        wrong = self._broken_off(code, line) or self._look(self._scene, rig)
        if not wrong and code == 0:  # it says that all is done: then it must be, with no next run
            told = self._scene.wrong_with(rig, self._scene.after)
            wrong = f"says that all is done, but {told}" if told else ""
        left, made = state_digest(rig), ""
        known = self._scene.folder / "made-good" / left
        if not wrong and (self._each or not known.exists()):
            wrong = make_good(self._scene, rig, self._course.then)
            made = state_digest(rig)
            known.parent.mkdir(exist_ok=True)
            if not wrong:
                known.touch()
        outcome = Outcome(call, line, code, f"{self._cut}={call}: {wrong}" if wrong else "", left, made)
        case.with_suffix(".json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        if not wrong:
            shutil.rmtree(case)
        return 0

    def _broken_off(self, code: int, line: str) -> str:
        """A run ends by itself, with a line if it has failed; unless it is killed."""
        if self._cut == KILL:
            return "" if code == KILLED else f"was not killed: it ends with {code} {line}"
        return "" if code in set(ExitCode) and bool(line) == bool(code) else f"ends with {code} {line}"

    def _reap(self) -> None:
        """Wait for a judge to end; only for ours."""
        while True:
            for judge in self._judges:
                ended, status = os.waitpid(judge, os.WNOHANG)
                if ended:
                    self._judges.discard(judge)
                    if status:
                        raise RuntimeError(f"a judge ended with {os.waitstatus_to_exitcode(status)}")
                    return
            time.sleep(0.002)


def _as_a_process(body: Callable[[], int]) -> NoReturn:
    """The rest of this process; nothing of what it was forked from is cleaned up."""
    code = _BROKEN
    try:
        code = body()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move_into(case: Path) -> None:
    """Let this process, in the folder of the run, be one in the folder of the case."""
    handles = [(handle, case / path) for path, handle in _open_files(_STATE)]
    os.chdir(case)
    for handle, path in handles:
        copy = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.dup2(copy, handle, inheritable=False)
        os.close(copy)


def _open_files(folder: Path) -> Iterator[tuple[Path, int]]:
    by_number = {}
    for path in folder.rglob("*"):
        if path.is_file():
            by_number[path.stat().st_dev, path.stat().st_ino] = path
    for name in os.listdir("/dev/fd"):  # noqa: PTH208
        try:
            status = os.fstat(int(name))
        except OSError:  # the listing's own
            continue
        path_or_none = by_number.get((status.st_dev, status.st_ino))
        if path_or_none is not None:
            yield path_or_none, int(name)
