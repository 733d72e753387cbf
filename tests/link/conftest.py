"""A fake target behind the simulated J-Link, reached through the real pylink."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_target import Connect, FakeTarget

from boardflash.link.jlink import Link, LinkSettings
from boardflash.link.selector import Selector
from boardflash.sim.jlink import BoardTime, SimulatedJLink
from boardflash.sim.jlink_wire import LinkCosts, LinkFaults

SERIAL = 746


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def connect(target: FakeTarget) -> Iterator[Connect]:
    """Opens links to `target` and closes them after the test."""
    opened: list[Link] = []

    def connect_(
        *,
        faults: LinkFaults | None = None,
        costs: LinkCosts | None = None,
        settings: LinkSettings | None = None,
    ) -> Link:
        library = SimulatedJLink({SERIAL: target}, faults=faults, costs=costs)
        link = Link(
            library,
            Selector("serial", str(SERIAL)),
            settings or LinkSettings("STM32F746NG"),
            timebase=BoardTime(target),
            simulated=True,
        )
        opened.append(link)
        return link

    yield connect_
    for link in opened:
        link.close()


@pytest.fixture
def link(connect: Connect) -> Link:
    return connect()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where pylink keeps its own locks
    return tmp_path / "state"
