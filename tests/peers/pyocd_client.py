"""Runs an unmodified pyOCD, in a virtual environment of its own, on a simulated board.

Of its own because pyocd 0.45.1 pins pylink-square below 2, while our own tests run with the newest. It holds
pyOCD, what the simulation imports, and pytest, with which the tests of the link run on the old pylink there.
Kept in $BOARDFLASH_PEER_CACHE, else in pytest's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli

PYOCD = "pyocd==0.45.1"
NEEDED = ("unicorn", "tomli", "pylink-square")
TESTS_NEED = ("pytest",)
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INSTALL_SECONDS = 300
RUN_SECONDS = 600


class CannotInstallError(Exception):
    """No virtual environment, or no package index in reach."""


@dataclass(frozen=True)
class PyocdRun:
    returncode: int
    output: str
    counts: dict[str, float]


def requirements() -> list[str]:
    """pyOCD, our own version bounds for what the simulation and the link import, and pytest."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    specs = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    ours = {re.split(r"[<>=!~ ]", spec)[0]: spec for spec in specs}
    return [PYOCD, *(ours[name] for name in (*NEEDED, *TESTS_NEED))]


def environment(cache: Path) -> Path:
    """The Python of a ready environment; made on first use, found again by its requirements."""
    wanted = "\n".join([*requirements(), sys.version])
    folder = cache / f"pyocd-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / "ready"
    if ready.is_file():
        return python
    try:
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run(
            [*install, *requirements()],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or str(error)).strip().splitlines()
        raise CannotInstallError(said[-1] if said else str(error)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(str(error)) from error
    ready.write_text(wanted + "\n", encoding="utf-8")
    return python


class PyocdBench:
    """One simulated board, kept on disk from one pyOCD run to the next."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        twin: str,
        serial: str,
        flm: Path | None = None,
        *,
        faults: Mapping[str, str] | None = None,
        charged: bool = False,
    ) -> None:
        """`charged`: opening, connecting and resets cost what a J-Link's cost (`charged.py`)."""
        self.python = python
        self.folder = folder
        self.twin = twin
        self.serial = serial
        self.flm = flm  # of the QSPI region; without it pyOCD sees the internal flash alone
        self.faults = dict(faults or {})
        self.charged = charged
        self._plugin = folder / "plugin"
        self._announce_plugin()

    def load(self, *images: str) -> PyocdRun:
        """`pyocd load` of "file@address" arguments."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        peer: dict[str, object] = {
            "twin": self.twin,
            "state": str(self.folder),
            "serial": self.serial,
            "report": str(report),
            "faults": self.faults,
            "charged": self.charged,
        }
        if self.flm is not None:
            peer["flm"] = str(self.flm)
        path = os.pathsep.join(map(str, (self._plugin, ROOT / "site_scons", ROOT / "tests")))
        command = [str(self.python), "-m", "pyocd", "load", "-v", "--no-wait", "--no-config"]
        command += ["-u", self.serial, "-t", "cortex_m", "-M", "halt", "-f", "4m"]
        command += ["--script", str(HERE / "pyocd_user.py"), *images]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "BOARDFLASH_PEER": json.dumps(peer)},
        )
        counts = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        return PyocdRun(done.returncode, done.stdout, counts)

    def _announce_plugin(self) -> None:
        """Package metadata on PYTHONPATH is all that an entry point needs to be found."""
        metadata = self._plugin / "boardflash_peers-0.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: boardflash-peers\nVersion: 0\n")
        (metadata / "entry_points.txt").write_text(
            "[pyocd.probe]\nboardflash = peers.pyocd_probe:SimulatedProbePlugin\n"
        )
