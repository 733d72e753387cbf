"""The chip is digested as fast as its bus brings the bytes or the core hashes them: the slower of the two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from boardflash.description.model import Board
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation
from boardflash.loader.session import LoaderSession
from boardflash.program.work import qspi_clock_hz
from cuts import shared_loader
from devices import INTERNAL, KIB, QSPI, device, noise
from rig import board_named

MIB = 1 << 20
BASE = {REGION_INTERNAL: INTERNAL, REGION_QSPI: QSPI}
CHIPS = {"n25q128a13": None, "w25q128jv": "stm32f746g-disco-c03"}


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))


@contextmanager
def loader_on(folder: Path, artefact: LoaderArtefact, chip: str, size: int) -> Iterator[LoaderSession]:
    """The loader on a device whose memories begin with so many bytes of noise."""
    with device(folder, CHIPS[chip]) as found:
        for region, address in BASE.items():
            found.put(address, noise(size, region))
        session = LoaderSession(found.link, artefact)
        session.start(found.link.supply_mv())
        session.identify_chip()
        session.select_chip(list(CHIPS).index(chip))
        yield session
        assert not found.sim.violations


def digest_s(session: LoaderSession, region: int, size: int, granule: int = 4 * KIB) -> float:
    """What it takes; the digest over the granules' digests must be right."""
    begun = session.link.now()
    command = Command(Operation.DIGEST, BASE[region], size, session.buffers_base, granule)
    root = session.run(region, command, 10, idle_s=0.0005).detail
    took = session.link.now() - begun
    data = noise(size, region)
    digests = [
        hashlib.blake2s(data[at : at + granule], digest_size=16).digest() for at in range(0, size, granule)
    ]
    assert root == hashlib.blake2s(b"".join(digests), digest_size=16).digest()
    return took


def bus_s(board: Board, chip_name: str, size: int) -> float:
    """On four lines a byte takes two clocks."""
    assert board.qspi is not None
    chip = next(chip for chip in board.qspi.chips if chip.name == chip_name)
    assert chip.read.lines.data == 4
    return 2 * size / qspi_clock_hz(board, chip)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_mebibyte_of_the_chip_takes_what_the_core_needs_for_it(tmp_path: Path, chip: str) -> None:
    board = board_named("stm32f746g-disco")
    with loader_on(tmp_path, shared_loader(), chip, MIB) as session:
        core_s = digest_s(session, REGION_INTERNAL, MIB, 32 * KIB)
        assert digest_s(session, REGION_QSPI, MIB) < 1.25 * max(bus_s(board, chip, MIB), core_s)
    # And the core is no bound that anything would meet: 25 cycles a byte.
    assert core_s < 25 * MIB / board.mcu.clock.hclk_hz


def test_on_a_slow_bus_it_takes_what_the_bus_needs(tmp_path: Path) -> None:
    """Bytes come while the core hashes those before."""
    size = 256 * KIB
    described = board_named("stm32f746g-disco")
    assert described.qspi is not None
    slow = replace(described, qspi=replace(described.qspi, clock_hz_max=12_000_000))
    artefact = build_loader(slow, tmp_path / "loader", Toolchain.zig())
    with loader_on(tmp_path, artefact, "n25q128a13", size) as session:
        core_s = digest_s(session, REGION_INTERNAL, size, 32 * KIB)
        expected_s = bus_s(slow, "n25q128a13", size)
        assert core_s < expected_s < digest_s(session, REGION_QSPI, size) < 1.25 * expected_s


def test_both_memories_share_the_core_without_loss(tmp_path: Path) -> None:
    """Digested at the same time they take as long as one after the other."""
    size = 256 * KIB
    with loader_on(tmp_path, shared_loader(), "n25q128a13", size) as session:
        apart_s = sum(digest_s(session, region, size, 32 * KIB) for region in BASE)
        begun = session.link.now()
        numbers = {}
        for region, address in BASE.items():
            buffer = session.buffers_base + 4 * KIB * region
            command = Command(Operation.DIGEST, address, size, buffer, 32 * KIB)
            numbers[region] = session.submit(region, command)
        for region, number in numbers.items():
            session.wait(region, number, 10)
        assert session.link.now() - begun < 1.1 * apart_s
