"""The oldest pylink that we take is the newest that pyOCD takes: the tests of the link pass with it, too."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import tomli

ROOT = Path(__file__).resolve().parents[2]
# What needs neither a compiler nor a template: the environment is pyOCD's, without our other packages.
FILES = ("link", "opening", "close", "transfers", "protection", "probe_ways", "probes", "trace", "link_dll")


def run(python: Path, *words: str) -> str:
    done = subprocess.run(
        [str(python), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def oldest() -> str:
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (bounds,) = [spec for spec in project["dependencies"] if spec.startswith("pylink-square")]
    return re.fullmatch(r"pylink-square>=([0-9.]+),<3", bounds)[1]  # type: ignore[index]


def test_the_tests_of_the_link_pass_with_the_oldest_pylink(python: Path) -> None:
    version = run(python, "-c", "import importlib.metadata as m; print(m.version('pylink-square'))").strip()
    assert version == f"{oldest()}.0"
    files = [f"tests/link/test_{name}.py" for name in FILES]
    out = run(python, "-m", "pytest", "-v", "-p", "no:cacheprovider", *files)
    passed = re.search(r"=+ (\d+) passed in", out)  # and none skipped
    assert passed is not None and int(passed[1]) > 150, out[-2000:]


def test_the_newest_is_what_all_other_tests_run_with() -> None:
    import importlib.metadata

    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    newest = re.search(r"^pylink-square==(.+)$", pinned, re.MULTILINE)
    assert newest is not None and newest[1].startswith("2.")
    assert importlib.metadata.version("pylink-square") == newest[1]
