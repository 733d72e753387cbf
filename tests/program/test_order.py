"""What comes before what: the journal before the erase, digests and data in the shade of other work."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation
from boardflash.loader.session import LoaderSession
from boardflash.program.pump import Pump
from boardflash.program.steady import SteadyLink
from rig import VECTORS, Rig

INTERNAL, QSPI = 0x0800_0000, 0x9000_0000
KIB = 1024
SETTINGS = b"settings of this very device"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands as they are handed over and as they are known to be done; syncs to disk."""
    seen: list[str] = []
    submit_all, finish, sync = LoaderSession.submit_all, Pump._finish, os.fsync

    def submitted(session: LoaderSession, region: int, commands: Sequence[Command]) -> int:
        seen.extend(f"{region} {command.operation.name} {command.address:#x}" for command in commands)
        return submit_all(session, region, commands)

    def finished(pump: Pump, region: int, flight: object) -> None:
        step = flight.step  # type: ignore[attr-defined]
        seen.append(f"done {region} {step.operation.name} {step.address:#x}")
        finish(pump, region, flight)  # type: ignore[arg-type]

    def synced(handle: int) -> None:
        seen.append("fsync")
        sync(handle)

    monkeypatch.setattr(LoaderSession, "submit_all", submitted)
    monkeypatch.setattr(Pump, "_finish", finished)
    monkeypatch.setattr(os, "fsync", synced)
    return seen


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_neighbours_are_on_disk_before_their_unit_is_erased(tmp_path: Path, events: list[str]) -> None:
    rig = Rig(tmp_path)
    report = rig.flash({QSPI: noise(3000, 1)})
    rig.set_memory("qspi", 3500, SETTINGS)
    events.clear()
    names = set()
    unlink = Path.unlink
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path, "unlink", lambda path, missing_ok=False: (names.add(path), unlink(path, missing_ok))
        )
        rig.flash({QSPI: noise(3000, 2)})
    erase = events.index(f"{REGION_QSPI} {Operation.ERASE.name} {QSPI:#x}")
    assert "fsync" in events[:erase]
    assert rig.memory("qspi")[3500:][: len(SETTINGS)] == SETTINGS
    # One file a unit, in a folder of the device's unique ID and of the region's chip.
    kept = next(path for path in names if path.suffix == ".json")
    assert kept.name == f"{QSPI:08x}.json"
    assert kept.parent.parent.name == report.device.unique_id
    assert kept.parent.name == "qspi-" + report.device.jedec_id.replace(" ", "").lower()


def test_the_qspi_chip_is_digested_while_internal_flash_is_erased(tmp_path: Path, events: list[str]) -> None:
    rig = Rig(tmp_path)
    both = {INTERNAL: VECTORS + noise(2000, 1), QSPI: noise(1200 * KIB, 1)}
    rig.flash(both)
    events.clear()
    rig.flash({**both, INTERNAL: VECTORS + noise(2000, 2)})
    erase = events.index(f"{REGION_INTERNAL} ERASE {INTERNAL:#x}")
    digested = max(n for n, event in enumerate(events) if event.startswith(f"done {REGION_QSPI} DIGEST"))
    assert erase < digested


def test_neighbours_cross_the_link_while_another_unit_is_erased(tmp_path: Path, events: list[str]) -> None:
    """Two units: the one without neighbours is begun before the other's are read."""
    rig = Rig(tmp_path)
    rig.flash({QSPI: b"\x5a"})
    rig.set_memory("qspi", 0, noise(128 * KIB, 1))
    events.clear()
    image = noise(100 * KIB, 2)
    report = rig.flash({QSPI: image})
    assert report.regions[0].bytes_preserved == 28 * KIB, "each byte is read once"
    first = events.index(f"{REGION_QSPI} ERASE {QSPI:#x}")
    read = next(n for n, event in enumerate(events) if event.startswith(f"done {REGION_QSPI} READ"))
    second = events.index(f"{REGION_QSPI} ERASE {QSPI + 64 * KIB:#x}")
    assert first < read < second
    assert rig.memory("qspi")[: 128 * KIB] == image + noise(128 * KIB, 1)[len(image) :]


def test_the_boot_unit_s_data_is_there_before_the_rest_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to send when the vector table's turn comes."""
    rig = Rig(tmp_path)
    rig.flash({INTERNAL: VECTORS + noise(60 * KIB, 1)})
    writes: list[int] = []
    finish = Pump._finish
    late: list[int] = []

    def finished(pump: Pump, region: int, flight: object) -> None:
        step = flight.step  # type: ignore[attr-defined]
        if step.operation == Operation.DIGEST and writes:
            late.append(len(writes))
        finish(pump, region, flight)  # type: ignore[arg-type]

    write = SteadyLink.write_memory

    def written(link: SteadyLink, address: int, data: bytes) -> None:
        if len(data) > 2 * KIB:
            writes.append(len(data))
        write(link, address, data)

    monkeypatch.setattr(Pump, "_finish", finished)
    monkeypatch.setattr(SteadyLink, "write_memory", written)
    rig.flash({INTERNAL: VECTORS + noise(60 * KIB, 2)})
    assert late[-1] == late[-3] == len(writes)  # the last digests: of the rest, then of the vectors' granule
