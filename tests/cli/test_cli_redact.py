"""What is sent to others names neither a person nor a folder, and is otherwise as it was."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from boardflash.cli.bench_archive import trace_text
from boardflash.cli.redact import Redactor, home_folders, user_and_machine

REDACTOR = Redactor(
    {"/data/ann": "~", "/data/ann/work": "WORK", "/": "ROOT"}, {"ann": "USER", "lab7": "MACHINE", "": "X"}
)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("/data/ann/work/app.elf: no such file", "WORK/app.elf: no such file"),
        ("in /data/ann.", "in ~."),
        ("PATH=/data/ann:/usr/bin", "PATH=~:/usr/bin"),
        ("file:///data/ann/x", "file://~/x"),
        ("/data/anna/x", "/data/anna/x"),
        ("/mnt/data/ann/x", "/mnt/data/USER/x"),
        ("the file is ann's, on lab7.example", "the file is USER's, on MACHINE.example"),
        ("bench_ann.bin, Ann", "bench_USER.bin, USER"),
        ("scanned, planned, annex", "scanned, planned, annex"),
    ],
)
def test_folders_and_names(text: str, sent: str) -> None:
    assert REDACTOR.text(text) == sent


def test_base64_digests_and_keys_stay() -> None:
    value = {"bytes": "AB/ann/CD", "sha256": "ann", "ann": [{"text": "ann"}, 7, None]}
    assert REDACTOR.value(value) == {
        "bytes": "AB/ann/CD",
        "sha256": "ann",
        "ann": [{"text": "USER"}, 7, None],
    }


def test_a_windows_path_in_both_spellings() -> None:
    redactor = Redactor({"C:\\Users\\ann": "~"}, {})
    assert redactor.text("C:\\Users\\ann\\x and C:/Users/ann/x") == "~\\x and ~/x"


def test_the_short_name_is_no_pattern() -> None:
    assert Redactor({"/data": "\\1"}, {}).text("/data/x") == "\\1/x"


def test_this_user_and_home_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert getpass.getuser() in user_and_machine()
    monkeypatch.setenv("HOME", str(tmp_path / "berta"))
    monkeypatch.setenv("LOGNAME", "bert")
    names = user_and_machine()
    assert names["berta"] == names["bert"] == "USER"
    assert str(tmp_path / "berta") in set(home_folders())


def test_a_trace_names_nobody_and_loses_half_a_last_line(tmp_path: Path) -> None:
    head = '{"boardflash_trace":1,"software":"J-Link software V9.24 (/data/ann/libjlinkarm.so)"}\n'
    said = '{"call":"JLINKARM_OpenEx","args":[],"returns":{"text":"in use by ann"},"t":0.5}\n'
    (tmp_path / "trace").write_text(head + said + '{"call":"JLINKARM_')
    assert trace_text(tmp_path / "trace", REDACTOR, no_data=True) == (
        '{"boardflash_trace":1,"software":"J-Link software V9.24 (~/libjlinkarm.so)"}\n'
        '{"call":"JLINKARM_OpenEx","args":[],"returns":{"text":"in use by USER"},"t":0.5}\n'
    )
