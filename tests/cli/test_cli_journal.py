"""What an earlier version owes a device, unproved: the device's own bytes decide, or the user."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from cuts import journal_files
from rig import Rig

KIB = 1024
QSPI = 0x9000_0000
IMAGE = random.Random(1).randbytes(3000)
OWED = b"settings of the device"
AT = 3200  # in the same unit as the image's end


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    found = Rig(tmp_path)
    found.flash({QSPI: IMAGE})
    found.set_memory("qspi", AT, OWED)
    return found


def old_entry(rig: Rig, data: bytes) -> Path:
    """As versions wrote it that read neighbours on four lines alone."""
    with rig.link() as link:
        from boardflash.program.run import identify_device

        device = identify_device(rig.plan({QSPI: IMAGE}), link)
    chip = device.jedec_id.replace(" ", "").lower()
    folder = rig.folder / "state" / "journal" / device.unique_id / f"qspi-{chip}"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.blake2s(data, digest_size=16).hexdigest()
    item = {"address": QSPI + AT, "data": base64.b64encode(data).decode("ascii"), "blake2s": digest}
    path = folder / f"{QSPI:08x}.json"
    path.write_text(json.dumps({"schema": 2, "unit": QSPI, "bytes": [item]}), encoding="ascii")
    return path


def refusal(rig: Rig, image: bytes = IMAGE) -> BoardflashError:
    with pytest.raises(BoardflashError) as caught:
        rig.flash({QSPI: image})
    return caught.value


def test_bytes_that_the_device_still_holds_are_settled_without_a_word(rig: Rig) -> None:
    old_entry(rig, OWED)
    rig.flash({QSPI: IMAGE})
    assert journal_files(rig) == ()
    assert rig.memory("qspi")[AT:][: len(OWED)] == OWED


def test_other_bytes_stop_the_run_before_anything_is_touched(rig: Rig) -> None:
    path = old_entry(rig, OWED[:4] + b"\xff" * 4 + OWED[8:])
    before = rig.memory("qspi")
    error = refusal(rig, IMAGE[::-1])
    assert error.code == ExitCode.DEVICE_FAILED
    assert str(error) == (
        f"{path}: an earlier run owes this device 22 bytes at 0x90000c80 that it read in a way which nothing"
        " had proved; first at 0x90000c84 the device holds 69 6E 67 73 20 6F 66 20 ..., the journal"
        " FF FF FF FF 20 6F 66 20 ...; nothing was changed: `boardflash journal --restore FILE` lets the next"
        " run write the journal's bytes, `boardflash journal --forget FILE` keeps the device's"
    )
    assert rig.memory("qspi") == before
    assert path.exists()


def test_forget_keeps_what_the_device_holds(rig: Rig, cli) -> None:
    path = old_entry(rig, b"X" * len(OWED))
    refusal(rig)
    assert cli("journal", "--forget", path).out == f"{path}: forgotten; the device keeps what it holds\n"
    rig.flash({QSPI: IMAGE[::-1]})
    assert rig.memory("qspi")[AT:][: len(OWED)] == OWED
    assert journal_files(rig) == ()


def test_restore_lets_the_next_run_write_the_journal_s_bytes(rig: Rig, cli) -> None:
    path = old_entry(rig, b"X" * len(OWED))
    refusal(rig)
    told = f"{path}: the next flash of this device writes these bytes back\n"
    assert cli("journal", "--restore", path).out == told
    report = rig.flash({QSPI: IMAGE})
    assert rig.memory("qspi")[AT:][: len(OWED)] == b"X" * len(OWED)
    assert "qspi: restored 22 bytes of an interrupted run" in report.lines()
    assert journal_files(rig) == ()


def test_what_the_new_image_covers_needs_no_decision(rig: Rig) -> None:
    old_entry(rig, b"X" * len(OWED))
    image = random.Random(2).randbytes(4 * KIB)
    rig.flash({QSPI: image})
    assert rig.memory("qspi")[: 4 * KIB] == image
    assert journal_files(rig) == ()


def test_the_list_says_whose_bytes_they_are_and_how_they_were_read(rig: Rig, cli, valid_report) -> None:
    path = old_entry(rig, OWED)
    device = path.parent.parent.name
    assert cli("journal").out == (
        f"{path}: device {device}, qspi: 22 bytes in 0x90000c80..0x90000c95, read: unproved\n"
    )
    report = json.loads(cli("journal", "--json").out)
    valid_report(report)
    assert report["entries"] == [
        {
            "file": str(path),
            "unique_id": device,
            "region": "qspi",
            "unit": QSPI,
            "bytes": 22,
            "read_by": ["unproved"],
        }
    ]


def test_a_file_that_is_no_entry_is_refused(cli, tmp_path: Path) -> None:
    said = cli("journal", "--forget", tmp_path / "x.json")
    assert said.code == ExitCode.BAD_INPUT
    assert said.err == (
        f"boardflash: {tmp_path / 'x.json'}: no entry of the preserve journal;"
        " `boardflash journal` lists them\n"
    )
