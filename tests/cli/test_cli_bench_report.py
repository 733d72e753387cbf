"""`boardflash bench-report`: one file that tells of a bench, whatever failed on it, and names nobody."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boardflash.cli import main
from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.probes import open_replay
from boardflash.loader.artefact import load_artefact
from boardflash.program.access import identify_board
from boardflash.program.report import device_json
from rig import VECTORS, board_named

BOARD = ("--board", "stm32f746g-disco")
SERIAL = "746030001"
SIM = ("--probe", f"sim:{SERIAL}")
PICTURES = random.Random(1).randbytes(9000)
LOGIN = "annalena"
SIM_FILES = [
    *("README.txt", "board.json", "identify-trace.jsonl", "identify.json", "journal.json", "loader.elf"),
    *("log.txt", "steps.json", "verify-trace.jsonl", "verify.json", "versions.json"),
]


@dataclass(frozen=True)
class Bench:
    """A person's machine: a home folder with everything in it, and a board that holds the images."""

    home: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def images(self) -> tuple[str, str]:
        return str(self.home / "work" / "app.hex"), f"{self.home / 'work' / 'pictures.bin'}@0x90000000"

    def report(self, name: str, *words: object, images: bool = True) -> tuple[int, Path]:
        path = self.home / "out" / name
        inputs = self.images if images else ()
        return main(["bench-report", *inputs, *map(str, words), "-o", str(path)]), path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from intelhex import IntelHex

    home = tmp_path_factory.mktemp("homes") / LOGIN
    (home / "work").mkdir(parents=True)
    image = IntelHex()
    image.puts(0x0800_0000, VECTORS + bytes(range(200)))
    image.write_hex_file(str(home / "work" / "app.hex"))
    (home / "work" / "pictures.bin").write_bytes(PICTURES)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("LOGNAME", "USER", "USERNAME"):
            patch.setenv(variable, LOGIN)
        patch.setenv("HOME", str(home))
        patch.setenv("BOARDFLASH_STATE_DIR", str(home / "state"))
        patch.chdir(home / "work")
        found = Bench(home, patch)
        assert main(["flash", *found.images, *BOARD, *SIM]) == 0
        yield found


@pytest.fixture(scope="module")
def sound(bench: Bench) -> Path:
    """The report of a board that holds the images."""
    code, path = bench.report("sound.zip", *BOARD, *SIM)
    assert code == 0
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def steps(path: Path) -> list[tuple[str, str, int]]:
    told = json.loads(contents(path)["steps.json"])["steps"]
    return [(step["name"], step["outcome"], step["exit_code"]) for step in told]


def reads(trace: bytes) -> list[dict[str, Any]]:
    """What reads of memory have brought."""
    calls = [json.loads(line) for line in trace.splitlines()[1:]]
    return [call["wrote"]["2"] for call in calls if "ReadMem" in call["call"] and "wrote" in call]


def test_what_is_in_it(sound: Path, valid_report: Callable[[Any], None]) -> None:
    files = contents(sound)
    assert list(files) == SIM_FILES
    with zipfile.ZipFile(sound) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr for entry in archive.infolist()} == {0o644 << 16}
    identified, verified = json.loads(files["identify.json"]), json.loads(files["verify.json"])
    valid_report(identified)
    valid_report(verified)
    assert identified["device"] == verified["device"]
    assert identified["link"]["supply_mv"] == 3300
    assert json.loads(files["board.json"])["part"]["number"] == "STM32F746NG"
    versions = json.loads(files["versions.json"])
    assert versions["jlink_software"] == identified["software"] == "J-Link software V9.24"
    assert versions["toolchain"].startswith("zig ") and versions["python"].startswith(("CPython", "PyPy"))
    assert re.fullmatch(r"\d+\..*", versions["packages"]["pylink-square"])
    assert hashlib.sha256(files["loader.elf"]).hexdigest() == identified["loader"]["sha256"]


def test_the_steps_are_commands_in_their_order(sound: Path) -> None:
    assert steps(sound) == [
        ("list-probes", "skipped", 0),
        ("identify", "done", 0),
        ("verify", "done", 0),
        ("journal", "done", 0),
    ]
    told = json.loads(contents(sound)["steps.json"])["steps"]
    assert told[0]["message"] == "a simulated probe was asked for"
    assert told[1]["command"] == (
        f"boardflash identify --board stm32f746g-disco --toolchain zig --probe sim:{SERIAL}"
        " --json=identify.json --trace=identify-trace.jsonl"
    )
    log = contents(sound)["log.txt"].decode()
    commands = [line for line in log.splitlines() if line.startswith("$ ")]
    assert commands == [f"$ {step['command']}" for step in told[1:]]
    assert "qspi: 9,000 bytes match\n" in log


def test_readme_tells_of_each_file_and_how_each_step_ended(sound: Path) -> None:
    text = contents(sound)["README.txt"].decode()
    listed = re.findall(r"^(\S+\.\w+)  ", text, re.MULTILINE)
    assert sorted(listed) == sorted(SIM_FILES)
    assert "\nlist-probes: skipped (a simulated probe was asked for)\nidentify: done\nverify: done\n" in text


def test_the_same_run_gives_the_same_bytes(bench: Bench, sound: Path) -> None:
    code, again = bench.report("again.zip", *BOARD, *SIM)
    assert code == 0
    assert again.read_bytes() == sound.read_bytes()


def test_the_last_line_says_where_it_is_and_what_it_holds(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    _, path = bench.report("line.zip", *BOARD, *SIM, images=False)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "bench report: identify"
    assert out[-1] == (
        f"{path}: send this file; it holds, as far as the steps came, the probe's serial number, the device's"
        " unique ID and what was read from it, but not your name; README.txt in it tells of each file"
    )
    assert "verify.json" not in contents(path)


def test_neither_home_nor_login_is_in_it(bench: Bench, sound: Path) -> None:
    """Also where a file in the state folder is named."""
    harmed = bench.home / "state" / "journal" / ("0" * 24) / "qspi-20ba18"
    harmed.mkdir(parents=True)
    (harmed / "90000000.json").write_text("harmed")
    try:
        code, failing = bench.report("harmed.zip", *BOARD, *SIM, images=False)
    finally:
        (harmed / "90000000.json").unlink()
    assert code == 0
    (entry,) = json.loads(contents(failing)["journal.json"])["entries"]
    assert entry["file"].startswith("STATE/journal/0000")
    assert "can't be read" in entry["unreadable"]
    for path in (sound, failing):
        for name, data in contents(path).items():
            assert str(bench.home).encode() not in data, name
            assert str(bench.home.parent).encode() not in data, name
            assert LOGIN.encode() not in data.lower(), name
    command = json.loads(contents(sound)["steps.json"])["steps"][2]["command"]
    assert command.startswith("boardflash verify WORK/app.hex WORK/pictures.bin@0x90000000 ")


def test_a_failed_step_does_not_keep_the_next_from_being_tried(
    bench: Bench, valid_report: Callable[[Any], None]
) -> None:
    other = ("--probe", "sim:746030002", "--twin", "acme-panel")
    code, path = bench.report("wrong.zip", *BOARD, *other)
    wrong = int(ExitCode.WRONG_DEVICE)
    assert code == wrong
    assert steps(path) == [
        ("list-probes", "skipped", 0),
        ("identify", "failed", wrong),
        ("verify", "failed", wrong),
        ("journal", "done", 0),
    ]
    files = contents(path)
    failure = json.loads(files["identify.json"])
    valid_report(failure)
    assert failure["error"]["message"].startswith("stm32f746g-disco: qspi: no QSPI chip answers")
    assert f"identify: failed ({failure['error']['message']})" in files["README.txt"].decode()
    assert failure["error"]["message"] in files["log.txt"].decode()
    assert "target supply 3300 mV" in files["log.txt"].decode()
    assert (
        len(files["identify-trace.jsonl"].splitlines()) > 50 < len(files["verify-trace.jsonl"].splitlines())
    )
    assert json.loads(files["versions.json"])["jlink_software"] == "not told"


def test_without_a_jlink_dll_there_is_a_report_all_the_same(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOARDFLASH_JLINK_DLL", str(bench.home / "SEGGER" / "libjlinkarm.so.9"))
        code, path = bench.report("none.zip", *BOARD, images=False)
    none = int(ExitCode.NO_PROBE)
    assert code == none
    assert steps(path) == [
        ("list-probes", "failed", none),
        ("identify", "failed", none),
        ("journal", "done", 0),
    ]
    message = json.loads(contents(path)["list-probes.json"])["error"]["message"]
    assert message.startswith("BOARDFLASH_JLINK_DLL=~/SEGGER/libjlinkarm.so.9: no such file; ")


@pytest.mark.skipif(os.name != "posix", reason="ends a process by a signal")
def test_a_crash_ends_its_step_alone(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a DLL that crashes ends the process that has loaded it."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho last words\nkill -SEGV $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    code, path = bench.report("crash.zip", *BOARD, *SIM)
    assert code == ExitCode.INTERNAL
    assert [step[1:] for step in steps(path)[1:]] == [("failed", 70)] * 3
    told = json.loads(contents(path)["steps.json"])["steps"]
    assert told[1]["message"] == f"its process ended with code {-signal.SIGSEGV}"
    assert "last words" in contents(path)["log.txt"].decode()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a group of processes")
def test_ctrl_c_while_a_window_blocks_the_probe_leaves_a_report(bench: Bench) -> None:
    path = bench.home / "out" / "window.zip"
    words = ["bench-report", *bench.images, *BOARD, *SIM, "--fault", "licence_window_ms=60000"]
    with subprocess.Popen(
        [sys.executable, "-m", "boardflash", *words, "-o", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "may show a window" in line:
                os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == ExitCode.INTERRUPTED
    assert steps(path) == [
        ("list-probes", "skipped", 0),
        ("identify", "interrupted", 130),
        ("verify", "skipped", 0),
        ("journal", "skipped", 0),
    ]
    calls = [json.loads(line)["call"] for line in contents(path)["identify-trace.jsonl"].splitlines()[1:]]
    assert "JLINKARM_EMU_SelectByUSBSN" in calls and "JLINKARM_TIF_Select" not in calls


def test_a_device_that_holds_something_else(bench: Bench) -> None:
    other = bench.home / "work" / "other.bin"
    other.write_bytes(PICTURES[::-1])
    code, path = bench.report("other.zip", f"{other}@0x90000000", *BOARD, *SIM, images=False)
    assert code == ExitCode.DIFFERS
    assert ("verify", "differs", 1) in steps(path)
    assert json.loads(contents(path)["verify.json"])["regions"][0]["granules_differing"] == 3


def test_with_no_data_reads_are_length_and_digest(bench: Bench, tmp_path: Path) -> None:
    """Of a device that holds something else: there more is read than digests."""
    other = bench.home / "work" / "other.bin"
    other.write_bytes(PICTURES[::-1])
    words = (f"{other}@0x90000000", *BOARD, *SIM)
    (_, sound), (code, path) = (
        bench.report("full.zip", *words, images=False),
        bench.report("bare.zip", *words, "--no-data", images=False),
    )
    assert code == ExitCode.DIFFERS
    full, bare = (reads(contents(p)["verify-trace.jsonl"]) for p in (sound, path))
    assert len(full) == len(bare)
    for whole, kept in zip(full, bare, strict=True):
        data = base64.b64decode(whole["bytes"])
        if len(data) <= 64:
            assert kept == whole
        else:
            assert kept == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert sum("sha256" in kept for kept in bare) > 0
    assert "(--no-data)" in contents(path)["README.txt"].decode()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    trace = tmp_path / "identify-trace.jsonl"
    lines = trace.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if "ReadMem" in line and '"wrote"' in line)
    call = json.loads(lines[at])
    call["wrote"]["2"] = next(kept for kept in bare if "sha256" in kept)
    lines[at] = json.dumps(call)
    trace.write_text("\n".join(lines))
    with pytest.raises(BoardflashError) as caught:
        replay_identify(None, tmp_path)
    assert re.fullmatch(
        r"identify-trace\.jsonl: line \d+: this trace cannot be replayed: what was read is left out of it"
        r" \(bench-report --no-data\)",
        str(caught.value),
    )


def replay_identify(path: Path | None, folder: Path) -> dict[str, Any]:
    """The identification of a report, again, with what is in the report alone. None: it is in the folder."""
    if path is not None:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    board = board_named("stm32f746g-disco")
    with open_replay(
        folder / "identify-trace.jsonl",
        jlink_device=board.part.jlink_device,
        interface=board.probe.interface,
        speed_khz=board.probe.speed_khz,
        under_reset=board.probe.connect_under_reset,
    ) as link:
        assert (link.product, link.firmware, link.speed_khz, link.supply_mv()) != ()
        return device_json(identify_board(board, load_artefact(folder / "loader.elf"), link))


def test_the_trace_replays_with_the_loader_beside_it(sound: Path, tmp_path: Path) -> None:
    assert replay_identify(sound, tmp_path) == json.loads(contents(sound)["identify.json"])["device"]


def test_what_the_journal_owes_is_told_without_its_bytes(bench: Bench) -> None:
    unit, secret = 0x90FF_0000, b"settings of a customer's device"
    folder = bench.home / "state" / "journal" / ("ab" * 12) / "qspi-20ba18100000"
    folder.mkdir(parents=True)
    digest = hashlib.blake2s(secret, digest_size=16).hexdigest()
    data = base64.b64encode(secret).decode("ascii")
    item = {"address": unit, "data": data, "blake2s": digest, "read": "one line"}
    path = folder / f"{unit:08x}.json"
    path.write_text(json.dumps({"schema": 3, "unit": unit, "bytes": [item]}), encoding="ascii")
    try:
        code, report = bench.report("journal.zip", *BOARD, *SIM, images=False)
    finally:
        path.unlink()
    assert code == 0
    (entry,) = json.loads(contents(report)["journal.json"])["entries"]
    assert (entry["unique_id"], entry["unit"], entry["bytes"]) == ("ab" * 12, unit, len(secret))
    assert entry["file"].startswith("STATE/journal/")
    for name, content in contents(report).items():
        assert secret not in content and data.encode() not in content and digest.encode() not in content, name


def test_flash_flashes(bench: Bench) -> None:
    blank = ("--probe", "sim:746030003")
    code, path = bench.report("flash.zip", *BOARD, *blank, "--flash")
    assert code == 0
    assert steps(path)[2] == ("flash", "done", 0)
    report = json.loads(contents(path)["flash.json"])
    assert report["bytes_written"] > len(PICTURES)
    assert "flash-trace.jsonl" in contents(path) and "verify.json" not in contents(path)
    assert PICTURES[4096:4160] not in b"".join(contents(path).values())
    assert main(["verify", *bench.images, *BOARD, *blank]) == 0


def test_without_flash_nothing_is_written(bench: Bench) -> None:
    code, _ = bench.report("blank.zip", *BOARD, "--probe", "sim:746030004")
    assert code == ExitCode.DIFFERS
    folder = bench.home / "state" / "sim" / "746030004"
    assert set((folder / "qspi.bin").read_bytes()) == set((folder / "internal.bin").read_bytes()) == {0xFF}


def test_a_plan_brings_its_board_and_its_loader(bench: Bench) -> None:
    plan = bench.home / "plans" / LOGIN
    assert main(["plan", *bench.images, *BOARD, "-o", str(plan), "--quiet"]) == 0
    code, path = bench.report("plan.zip", plan / "plan.json", *SIM, images=False)
    assert code == 0
    assert steps(path)[1:3] == [("identify", "done", 0), ("verify", "done", 0)]
    assert contents(path)["loader.elf"] == (plan / "loader.elf").read_bytes()
    assert "IMAGES/plan.json" in contents(path)["log.txt"].decode()


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        ((), "which board? say --board NAME; `boardflash list-boards` lists them", ExitCode.USAGE),
        (
            (*BOARD, "--flash"),
            "--flash: nothing to flash; name an ELF, an Intel HEX, a BIN at an address or a plan.json",
            ExitCode.USAGE,
        ),
        ((*BOARD, "none.elf"), "none.elf: no such file", ExitCode.BAD_INPUT),
        (
            (*BOARD, "--twin", "acme-panel"),
            "--twin: it belongs to the simulated board; say --probe sim",
            ExitCode.USAGE,
        ),
        (
            (*BOARD, "-o", "file"),
            "file: it exists already; name another file, or remove it",
            ExitCode.BAD_INPUT,
        ),
        ((*BOARD, "-o", "file/report.zip"), "file: File exists", ExitCode.BAD_INPUT),
    ],
)
def test_what_was_typed_wrongly_is_refused_before_any_step(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    said = cli("bench-report", "-o", "report.zip", *words)
    assert (said.code, said.err, said.out) == (code, f"boardflash: {message}\n", "")
    assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == ["file"]
    assert Path("file").read_text() == "mine"


def test_identify_takes_a_plan_but_no_image(cli) -> None:
    said = cli("identify", "app.elf", *BOARD, *SIM)
    assert said.code == ExitCode.USAGE
    assert said.err == ("boardflash: app.elf: no plan; `boardflash verify` compares images with the device\n")
