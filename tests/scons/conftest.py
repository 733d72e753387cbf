"""Real SCons runs in a folder of their own; `fake_bench.py` stands in where only the graph matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE_TOOLS = ROOT / "site_scons" / "site_tools"

# Records each call, and does what the real command does to files: the plan names its input's bytes.
FAKE_BENCH = """\
import hashlib, json, os, pathlib, sys
verb, words = sys.argv[1], sys.argv[2:]
with open("calls.log", "a") as log:
    log.write(json.dumps({"verb": verb, "words": words, "env": dict(os.environ)}) + "\\n")
if os.path.exists("fail-early"):
    sys.exit(7)
def after(option):
    return [words[i + 1] for i, word in enumerate(words) if word == option]
if verb == "flash":
    for stamp in after("--stamp"):
        path = pathlib.Path(stamp)
        path.unlink(missing_ok=True)
    if os.path.exists("fail-late"):
        sys.exit(8)
    for stamp in after("--stamp"):
        path = pathlib.Path(stamp)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("done")
elif verb == "loader":
    pathlib.Path(after("--output")[0], "loader.elf").write_text("loader")
elif verb == "plan":
    folder = pathlib.Path(after("--output")[0])
    content = pathlib.Path(words[-1].split("@")[0]).read_bytes()
    for name in ("loader.elf", "internal.bin", "qspi.bin"):
        (folder / name).write_bytes(b"")
    (folder / "plan.json").write_text(hashlib.sha256(content).hexdigest())
"""

FAKE_COMMANDS = """
FAKE = dict(
    LOADERBLOBCOM="$( $PYTHON $) fake_bench.py loader --board $BOARDNAME --output ${TARGET.dir}",
    FLASHPLANCOM="$( $PYTHON $) fake_bench.py plan --output ${TARGET.dir} $FLASHINPUTS",
    FLASHDEVICECOM="$( $PYTHON $) fake_bench.py flash $SOURCE $FLASHREGIONS $FLASHSTAMPS"
    " $( $FLASHPROBE $FLASHOPTIONS $)",
    FLASHVERIFYCOM="$( $PYTHON $) fake_bench.py verify $SOURCE $FLASHREGIONS $( $FLASHPROBE $FLASHREPORT $)",
    FLASHSHOWCOM="$( $PYTHON $) fake_bench.py show $SOURCE",
)
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


@dataclass
class Project:
    """A project of somebody's: write files, run SCons, ask what is up to date."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def sconstruct(self, body: str) -> None:
        """An SConstruct whose `env` has the tool, with every command that matters faked."""
        self.write("fake_bench.py", FAKE_BENCH)
        tool = f'toolpath=[r"{SITE_TOOLS}"]'
        self.write(
            "SConstruct",
            f"{FAKE_COMMANDS}\nenv = Environment(tools=['flash'], {tool}, **FAKE)\n{body}\n",
        )

    def run(self, *words: str, expect: int | None = 0) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "SCons", "-Q", *words],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        if expect is not None:
            assert outcome.code == expect, f"scons {' '.join(words)}: {outcome.code}\n{outcome.text}"
        assert "Traceback" not in outcome.text
        return outcome

    def up_to_date(self, *words: str) -> None:
        self.run("-q", *words)

    def not_up_to_date(self, *words: str) -> None:
        self.run("-q", *words, expect=1)

    def calls(self, verb: str) -> list[list[str]]:
        """The words of each call of a faked command so far."""
        return [call["words"] for call in self.call_records() if call["verb"] == verb]

    def call_records(self) -> list[dict[str, object]]:
        log = self.folder / "calls.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


ONE_APP = 'env.FlashApplication("app", "app.hex", "stm32f746g-disco")'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one application on one board, flashed by a fake."""
    made = Project(tmp_path / "project", {"BOARDFLASH_STATE_DIR": str(tmp_path / "state")})
    made.sconstruct(ONE_APP)
    made.write("app.hex", ":00000001FF\n")
    return made


@pytest.fixture(scope="session")
def make_project() -> type[Project]:
    return Project


@pytest.fixture(scope="session")
def cli_of() -> Callable[..., str]:
    """Run `python -m boardflash` with a project's environment; its output."""

    def run(project: Project, *words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "boardflash", *(str(word) for word in words)],
            cwd=project.folder.parent,
            env={**os.environ, **project.environment, "PYTHONPATH": str(ROOT / "site_scons")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
