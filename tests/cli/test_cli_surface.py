"""The command line itself: verbs, help, numbers, exit codes, one-line faults, a quick start."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boardflash.cli.arguments import MEANINGS, exit_code_help, number, parse
from boardflash.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
VERBS = (
    *("flash", "verify", "plan", "loader", "split", "read", "erase", "reset", "list-probes", "list-boards"),
    *("export", "sim", "journal", "identify", "bench-report"),
)
ELF_HEADER = bytes.fromhex("7f454c46010101000000000000000000")


def one_line(said) -> str:
    """The fault, which is one line on standard error; standard output stays empty."""
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("boardflash: "), said
    assert said.out == ""
    return lines[0]


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_tells_the_exit_codes(cli, verb: str) -> None:
    said = cli(verb, "--help")
    assert said.code == 0 and exit_code_help() in said.out


def test_every_exit_code_is_documented() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_the_verbs_are_all_there(cli) -> None:
    out = cli("--help").out
    assert all(f"    {verb}" in out for verb in VERBS)


def test_no_verb_is_a_usage_error(cli) -> None:
    assert cli().code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "value"),
    [("0x9000_0000", 0x90000000), ("4096", 4096), ("64K", 65536), ("2m", 2 << 20), ("010", 10)],
)
def test_numbers_as_people_write_them(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "-1", "0x", "12G", "4k5", "0b1", "nine"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        number(text)


def test_json_without_a_path_never_takes_the_next_word() -> None:
    arguments = parse(["flash", "--json", "plan.json"])
    assert arguments.inputs == ["plan.json"] and arguments.json == "-"


def test_abbreviated_options_are_refused(cli) -> None:
    """`--forc` may mean something else tomorrow."""
    assert cli("flash", "plan.json", "--forc").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("words", "part", "code"),
    [
        (("flash", "app.elf"), "--board", ExitCode.USAGE),
        (("flash", "no.elf", "--board", "stm32f746g-disco"), "no.elf: no such file", ExitCode.BAD_INPUT),
        (("flash", "app.elf", "--board", "stm32f746g-disko"), "stm32f746g-disco", ExitCode.BAD_INPUT),
        (("flash", "no/plan.json"), "plan.json", ExitCode.BAD_INPUT),
        (("flash", "a/plan.json", "app.elf"), "alone", ExitCode.USAGE),
        (("plan", "app.elf", "--board", "acme-panel"), "--output", ExitCode.USAGE),
        (
            ("read", "0x20000000", "16", "-o", "x", "--board", "acme-panel"),
            "lie in no region",
            ExitCode.BAD_INPUT,
        ),
        (("read", "0x08000000", "0", "-o", "x", "--board", "acme-panel"), "size is 0", ExitCode.USAGE),
        (("erase", "--region", "psram", "--board", "acme-panel"), "internal, qspi", ExitCode.BAD_INPUT),
        (
            ("erase", "--region", "qspi", "--address", "0x08000000", "--size", "4K", "--board", "acme-panel"),
            "--region qspi",
            ExitCode.BAD_INPUT,
        ),
        (("reset", "--board", "acme-panel", "--twin", "acme-panel"), "--probe sim", ExitCode.USAGE),
        (("reset", "--board", "acme-panel", "--probe", "simm"), "sim:SERIAL", ExitCode.NO_PROBE),
    ],
)
def test_what_can_not_be_done_is_one_line(cli, words: tuple[str, ...], part: str, code: int) -> None:
    said = cli(*words)
    assert part in one_line(said)
    assert said.code == code


def test_without_a_probe_the_fault_tells_how_to_try_the_simulation(cli, monkeypatch) -> None:
    """No probe, several, or (as in CI) no J-Link DLL: never the simulation by itself."""
    said = cli("reset", "--board", "stm32f746g-disco")
    assert said.code == ExitCode.NO_PROBE
    assert "sim" in one_line(said)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", ELF_HEADER, ELF_HEADER + b"\xff" * 400, b":00", b":10000000zz\n", b"\x00" * 64],
    ids=["empty", "magic", "ident", "garbage", "hex", "hexdigits", "zeros"],
)
@pytest.mark.parametrize("suffix", [".elf", ".hex"])
def test_hostile_inputs_are_one_line(cli, tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"app{suffix}"
    path.write_bytes(content)
    said = cli("split", path, "--board", "stm32f746g-disco", "-o", tmp_path / "out")
    assert said.code == ExitCode.BAD_INPUT
    assert path.name in one_line(said)


def test_a_plan_that_is_no_plan_is_one_line(cli, tmp_path: Path) -> None:
    for text in (
        "",
        "[]",
        "{}",
        '{"schema": 99}',
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").hex(),
    ):
        path = tmp_path / "plan.json"
        path.write_text(text)
        said = cli("verify", path, "--probe", "sim")
        assert said.code == ExitCode.BAD_INPUT
        assert "plan.json" in one_line(said) or "nested" in said.err


def test_a_folder_that_can_not_be_written_is_one_line(cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = cli("loader", "--board", "stm32f746g-disco", "-o", tmp_path / "file" / "out")
    assert said.code == ExitCode.BAD_INPUT
    one_line(said)


def test_a_fault_of_ours_is_one_line_too(cli, monkeypatch) -> None:
    from boardflash.cli import list_boards

    monkeypatch.setattr(list_boards, "run", lambda _arguments: {}["absent"])
    said = cli("list-boards")
    assert said.code == ExitCode.INTERNAL
    assert "KeyError" in one_line(said) and "BOARDFLASH_DEBUG" in said.err


def test_a_missing_dependency_tells_how_to_install(cli, monkeypatch) -> None:
    from boardflash.cli import list_boards

    def missing(_arguments: object) -> int:
        raise ModuleNotFoundError("No module named 'elftools'", name="elftools")

    monkeypatch.setattr(list_boards, "run", missing)
    said = cli("list-boards")
    assert said.code == ExitCode.INTERNAL
    assert "elftools" in one_line(said) and "pip install" in said.err


def test_control_c_is_one_line_and_130(cli, monkeypatch) -> None:
    from boardflash.cli import list_boards

    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(list_boards, "run", interrupted)
    said = cli("list-boards")
    assert said.code == 130
    assert one_line(said) == "boardflash: interrupted"


def test_list_boards_and_its_report(cli, valid_report) -> None:
    said = cli("list-boards")
    assert "stm32f746g-disco  STM32F746NG" in said.out.replace("    ", "  ")
    report = json.loads(cli("list-boards", "--json").out)
    valid_report(report)
    assert {board["name"] for board in report["boards"]} >= {"stm32f746g-disco", "acme-panel"}


def test_a_fault_is_reported_as_json_too(cli, valid_report, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    said = cli("flash", "no.elf", "--board", "stm32f746g-disco", f"--json={target}")
    report = json.loads(target.read_text())
    valid_report(report)
    assert report["exit_code"] == said.code and report["error"]["kind"] == "bad_input"


def test_the_schema_check_can_fail(valid_report) -> None:
    with pytest.raises(AssertionError):
        valid_report(
            {"schema": 1, "verb": "reset", "board": "x", "probe": "1", "simulated": 0, "exit_code": 0}
        )


def test_help_loads_nothing_slow() -> None:
    script = (
        "import sys; from boardflash.cli import main; main(['flash', '--help'])\n"
        "slow = {'pylink', 'unicorn', 'jinja2', 'rich', 'elftools', 'intelhex', 'tomli', 'SCons'}\n"
        "slow.add('bincopy')\n"
        "sys.exit(', '.join(sorted(slow & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "site_scons")},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_python_m_runs_the_command_line() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "boardflash", "--version"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "site_scons")},
        check=False,
    )
    assert done.stdout.startswith("boardflash ") and done.returncode == 0
    assert time.monotonic() - started < 10


def test_a_reader_that_goes_away_is_no_fault() -> None:
    done = subprocess.run(
        f'"{sys.executable}" -m boardflash list-boards | true; exit ${{PIPESTATUS[0]}}',
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "site_scons")},
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""
