"""Twelve processes at once: one plan cache, one loader cache, and nobody's plan is dropped under him."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boardflash.cli.cache import IN_USE_S, KEPT_PLANS, forget_old_plans
from boardflash.state import shared_temporary

ROOT = Path(__file__).resolve().parents[2]


def test_twelve_processes_with_twelve_images_share_the_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    environment["BOARDFLASH_STATE_DIR"] = str(tmp_path / "state")
    running = []
    for number in range(12):
        image = tmp_path / f"{number % 10}.bin"  # two pairs have the same
        image.write_bytes(random.Random(number % 10).randbytes(3000))
        words = [
            "flash",
            f"{image}@0x90000000",
            "--board",
            "stm32f746g-disco",
            "--probe",
            f"sim:74605{number:04}",
        ]
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "boardflash", *words],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    for number, process in enumerate(running):
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        content = (tmp_path / "state" / "sim" / f"74605{number:04}" / "qspi.bin").read_bytes()
        assert content[:3000] == random.Random(number % 10).randbytes(3000)
    assert not list((tmp_path / "state" / "cache").rglob(".new-*"))


def test_only_plans_that_nobody_has_asked_for_lately_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path))
    shelf = tmp_path / "cache" / "plans"
    old = time.time() - IN_USE_S - 60
    for name in (
        *(f"old{n}" for n in range(3)),
        *(f"new{n}" for n in range(KEPT_PLANS + 3)),
        ".new-left",
        ".new-now",
    ):
        (shelf / name).mkdir(parents=True)
        if name.startswith("old") or name == ".new-left":
            os.utime(shelf / name, (old, old))
    forget_old_plans()
    left = sorted(folder.name for folder in shelf.iterdir())
    assert left == sorted([*(f"new{n}" for n in range(KEPT_PLANS + 3)), ".new-now"])


@pytest.mark.skipif(sys.platform == "win32", reason="owners and modes as on POSIX")
def test_a_temporary_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = shared_temporary("boardflash-x")
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    assert shared_temporary("boardflash-x") == ours
    ours.chmod(0o777)  # anybody may put files there
    assert shared_temporary("boardflash-x") != ours
    ours.rmdir()
    ours.symlink_to(tmp_path)
    assert shared_temporary("boardflash-x") not in (ours, tmp_path)
