"""`boardflash bench-report`: identify a device, verify or flash it, and put what tells of it into one file.

Each step is a command of this command line, in a process of its own: a DLL that crashes, or never returns,
ends that step alone. One that fails does not keep the next from being tried: how it failed is what the
report is for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boardflash import __version__
from boardflash.cli.bench_archive import Step, readme, trace_text, write_archive
from boardflash.cli.connect import asks_for_simulation
from boardflash.cli.plans import named_plan, plan_of, sources_digest, toolchain_of
from boardflash.cli.redact import Redactor, home_folders, user_and_machine
from boardflash.errors import BoardflashError, ExitCode

if TYPE_CHECKING:
    from boardflash.description.model import Board

PACKAGES = (
    *("pylink-square", "ziglang", "scons", "jinja2", "intelhex", "tomli", "pyelftools", "lz4", "unicorn"),
    *("psutil", "bincopy"),
)
#: How long a command may take to let go of the device after Ctrl-C.
INTERRUPT_LIMIT_S = 15
FAULT = "boardflash: "
OUTCOMES: dict[int, str] = {
    ExitCode.OK: "done",
    ExitCode.DIFFERS: "differs",
    ExitCode.INTERRUPTED: "interrupted",
}


def run(arguments: argparse.Namespace) -> int:
    board = _checked(arguments)
    simulated = asks_for_simulation(arguments)
    _reserve(arguments.output)
    with tempfile.TemporaryDirectory(prefix="boardflash-bench-") as folder:
        bench = _Bench(Path(folder), _redactor(arguments, folder), arguments.no_data)
        device = [*_device_words(arguments), *_probe_words(arguments)]
        bench.note("board.json", _facts(board))
        if simulated:
            bench.skip("list-probes", "a simulated probe was asked for")
        else:
            bench.step("list-probes", [])
        bench.step("identify", [*_plan_words(arguments), *device], trace=True)
        bench.keep_loader(arguments)
        if arguments.inputs:
            verb = "flash" if arguments.flash else "verify"
            bench.step(verb, [*arguments.inputs, *device], trace=True)
        bench.step("journal", [])
        bench.note("versions.json", {**_versions(arguments), "jlink_software": bench.software()})
        write_archive(arguments.output, bench.finished())
    kept = "lengths and digests of what was read from it" if arguments.no_data else "what was read from it"
    print(
        f"{arguments.output}: send this file; it holds, as far as the steps came, the probe's serial number,"
        f" the device's unique ID and {kept}, but not your name; README.txt in it tells of each file"
    )
    return bench.exit_code


class _Bench:
    """The steps that were run, and what they left behind."""

    def __init__(self, folder: Path, redactor: Redactor, no_data: bool) -> None:
        self._folder = folder
        self._redactor = redactor
        self._no_data = no_data
        self._files: dict[str, bytes] = {}
        self._steps: list[Step] = []
        self._log = StringIO()

    @property
    def exit_code(self) -> int:
        """That of the first step that was not well."""
        return next((step.exit_code for step in self._steps if step.exit_code), 0)

    def step(self, verb: str, words: list[str], *, trace: bool = False) -> None:
        """Run one command with a report, and a trace if it talks to a device."""
        if any(step.outcome == "interrupted" for step in self._steps):
            self.skip(verb, "an earlier step was interrupted")
            return
        options = [f"--json={verb}.json", *([f"--trace={verb}-trace.jsonl"] if trace else [])]
        command = shlex.join(["boardflash", verb, *words, *options])
        print(f"bench report: {verb}", flush=True)
        self._log.write(f"$ {command}\n")
        real = [f"--json={self._folder / verb}.json"]
        if trace:
            real.append(f"--trace={self._folder / verb}-trace.jsonl")
        code, said = _run([verb, *words, *real])
        self._log.write(said + "\n")
        outcome = OUTCOMES.get(code, "failed")
        message = ""
        if outcome == "failed":
            faults = [line for line in said.splitlines() if line.startswith(FAULT)]
            message = faults[-1].removeprefix(FAULT) if faults else f"its process ended with code {code}"
            code = code if code in set(ExitCode) else int(ExitCode.INTERNAL)
        self._steps.append(Step(verb, command, outcome, code, message))
        self._take(verb)

    def skip(self, verb: str, reason: str) -> None:
        self._steps.append(Step(verb, "", "skipped", 0, reason))

    def note(self, name: str, facts: dict[str, Any]) -> None:
        """A file of facts."""
        self._files[name] = self._json(facts)

    def software(self) -> str:
        """Version and path of the J-Link DLL, as the link has told them, or else the list of probes."""
        for name in ("identify.json", "list-probes.json"):
            told = json.loads(self._files.get(name, b"{}")).get("software")
            if told:
                return str(told)
        return "not told"

    def keep_loader(self, arguments: argparse.Namespace) -> None:
        """The loader that `identify` has run; it is in the cache, or beside the plan."""
        from boardflash.cli.identify import board_and_loader

        words = argparse.Namespace(**{**vars(arguments), "inputs": _plan_words(arguments)})
        try:
            loader = board_and_loader(words)[1]
        except BoardflashError:
            return  # then identify has failed with the same words
        self._files["loader.elf"] = loader.elf.read_bytes()

    def finished(self) -> dict[str, bytes]:
        """All files of the archive."""
        steps = [
            Step(
                s.name, self._redactor.text(s.command), s.outcome, s.exit_code, self._redactor.text(s.message)
            )
            for s in self._steps
        ]
        self._files["log.txt"] = self._redactor.text(self._log.getvalue()).encode()
        self._files["steps.json"] = self._json({"steps": [vars(step) for step in steps]})
        names = ["README.txt", *self._files]
        self._files["README.txt"] = readme(names, steps, no_data=self._no_data).encode()
        return self._files

    def _take(self, verb: str) -> None:
        report = self._folder / f"{verb}.json"
        if report.exists():
            self._files[report.name] = self._json(json.loads(report.read_text(encoding="utf-8")))
        trace = self._folder / f"{verb}-trace.jsonl"
        if trace.exists():
            text = trace_text(trace, self._redactor, no_data=self._no_data)
            self._files[trace.name] = text.encode()

    def _json(self, value: dict[str, Any]) -> bytes:
        return (json.dumps(self._redactor.value(value), indent=2, sort_keys=True) + "\n").encode()


def _run(words: list[str]) -> tuple[int, str]:
    """One command in a process of its own; its exit code, and what it printed, which is shown as it comes."""
    own = str(Path(__file__).resolve().parents[2])  # also from a checkout that is not installed
    path = os.pathsep.join(filter(None, (own, os.environ.get("PYTHONPATH"))))
    heard = []
    with subprocess.Popen(
        [sys.executable, "-m", "boardflash", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                heard.append(line)
                print(line, end="", flush=True)
            return process.wait(), "".join(heard)
        except KeyboardInterrupt:  # Ctrl-C reaches that process, too, but not inside a call of the DLL
            try:
                process.wait(INTERRUPT_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
            return int(ExitCode.INTERRUPTED), "".join(heard)


def _checked(arguments: argparse.Namespace) -> Board:
    """The board that is meant. What was typed wrongly is refused before anything is asked of a device."""
    from boardflash.cli.plans import board_of
    from boardflash.image.inputs import InputSpec

    if arguments.flash and not arguments.inputs:
        raise BoardflashError(
            "nothing to flash; name an ELF, an Intel HEX, a BIN at an address or a plan.json",
            where="--flash",
            code=ExitCode.USAGE,
        )
    if named_plan(arguments.inputs) is not None:
        return plan_of(arguments).board
    board = board_of(arguments)
    for text in arguments.inputs:
        path = InputSpec.parse(text).path
        if not path.is_file():
            raise BoardflashError("no such file", where=str(path))
    return board


def _reserve(output: Path) -> None:
    """Find out before the work whether its result can be written."""
    if output.exists():
        raise BoardflashError("it exists already; name another file, or remove it", where=str(output))
    output.parent.mkdir(parents=True, exist_ok=True)
    probe = output.with_name(f".{output.name}.part")
    probe.touch()
    probe.unlink()


def _plan_words(arguments: argparse.Namespace) -> list[str]:
    return list(arguments.inputs) if named_plan(arguments.inputs) is not None else []


def _device_words(arguments: argparse.Namespace) -> list[str]:
    words = [] if arguments.board is None else ["--board", arguments.board]
    for folder in arguments.board_path:
        words += ["--board-path", str(folder)]
    return [*words, "--toolchain", arguments.toolchain]


def _probe_words(arguments: argparse.Namespace) -> list[str]:
    words = [] if arguments.probe is None else ["--probe", arguments.probe]
    words += [] if arguments.twin is None else ["--twin", arguments.twin]
    for name, value in arguments.fault:
        words += ["--fault", f"{name}={value}"]
    return words


def _versions(arguments: argparse.Namespace) -> dict[str, Any]:
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    try:
        toolchain = toolchain_of(arguments).describe()
    except (BoardflashError, OSError) as error:
        toolchain = f"does not answer: {error}"
    return {
        "boardflash": __version__,
        "sources": sources_digest(),  # a checkout changes while its version does not
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_bits": 64 if sys.maxsize > 1 << 32 else 32,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": packages,
        "toolchain": toolchain,
    }


def _facts(board: Board) -> dict[str, Any]:
    from boardflash.description.load import board_facts

    return dict(board_facts(board))


def _redactor(arguments: argparse.Namespace, temporary: str) -> Redactor:
    """What stands for the folders of this machine. A folder that has several names gets the last of these."""
    from boardflash.image.inputs import InputSpec
    from boardflash.state import state_dir

    places = {sys.prefix: "PYTHON", sys.base_prefix: "PYTHON"}
    places[str(Path(__file__).resolve().parents[1])] = "PACKAGE"
    for text in arguments.inputs:
        path = Path(text) if text.lower().endswith(".json") else InputSpec.parse(text).path
        if path.is_absolute():
            places[str(path.parent)] = "IMAGES"
    for board in (arguments.board, *arguments.board_path):
        if board is not None and Path(board).is_absolute():
            folder = Path(board) if board in arguments.board_path else Path(board).parent
            places[str(folder)] = "BOARDS"
    places[str(Path.cwd())] = "WORK"
    places[tempfile.gettempdir()] = "TEMPORARY"
    places[temporary] = "TEMPORARY"
    places[str(state_dir())] = "STATE"
    places.update(dict.fromkeys(home_folders(), "~"))
    return Redactor(places, user_and_machine())
