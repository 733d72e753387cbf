"""The tree is typed, linted and formatted, and says nothing about the machine it was written on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [
        ("mypy",),
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_tree_is_clean(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr


def source_files() -> list[Path]:
    folders = ("site_scons", "loader", "boards", "examples", "tests", "docs")
    suffixes = {".py", ".c", ".h", ".S", ".j2", ".toml", ".md", ".cfg", ".ld"}
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and "build" not in path.relative_to(ROOT).parts
    ]


def test_imports_run_one_way() -> None:
    """Description and image know no plan, link or SCons; only link knows pylink."""
    package = ROOT / "site_scons" / "boardflash"
    allowed = {
        "description": {"foreign"},  # a board may name a loader of others, and takes its sectors
        "foreign": set(),
        "image": set(),
        "plan": {"description", "image"},
        "loader": {"description"},
        "link": {"sim"},
        "sim": set(),
        "program": {"description", "image", "plan", "loader", "link", "foreign"},
    }
    wrong = []
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0]
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^\s*(?:from|import) boardflash\.(\w+)", text, re.MULTILINE):
            if own in allowed and name in allowed and name != own and name not in allowed[own]:
                wrong.append(f"{path.relative_to(ROOT)} imports boardflash.{name}")
        if re.search(r"^\s*(?:from|import) pylink", text, re.MULTILINE) and own != "link":
            wrong.append(f"{path.relative_to(ROOT)} imports pylink")
        if re.search(r"^\s*(?:from|import) SCons", text, re.MULTILINE) and not own.startswith("scons"):
            wrong.append(f"{path.relative_to(ROOT)} imports SCons")
    assert wrong == []


def test_only_the_place_that_picks_a_probe_imports_the_simulation() -> None:
    package = ROOT / "site_scons" / "boardflash"
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] != "sim"
        and re.search(r"^\s*(?:from|import) boardflash\.sim", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert users <= {"link/probes.py", "cli/sim.py"}


def test_no_file_names_a_home_folder() -> None:
    named = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if "tests" not in path.relative_to(ROOT).parts  # there absolute paths are bad input
        and re.search(r"/(?:home|Users|root)/\w", path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert named == []
