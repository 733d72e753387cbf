"""The verbs on a simulated board, all the way: files dropped on the command line, no plan, no SCons."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from intelhex import IntelHex

from boardflash.cli import main
from boardflash.errors import ExitCode
from boardflash.link.lock import ProbeLock

BOARD = ("--board", "stm32f746g-disco")
PROBE = ("--probe", "sim:746010001")
QSPI = 0x9000_0000
# The stack's top, and a reset handler that stays where it is.
CODE = bytes.fromhex("00000520 09000008 fee7fee7") + bytes(range(200))
PICTURES = hashlib.shake_128(b"pictures").digest(20_000)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs and a board that holds them."""
    folder = tmp_path_factory.mktemp("bench")
    image = IntelHex()
    image.puts(0x0800_0000, CODE)
    image.write_hex_file(str(folder / "app.hex"))
    (folder / "pictures.bin").write_bytes(PICTURES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOARDFLASH_STATE_DIR", str(folder / "state"))
        assert main([*flash_words(folder), f"--json={folder / 'first.json'}"]) == 0
    return folder


def flash_words(folder: Path) -> list[str]:
    return ["flash", str(folder / "app.hex"), f"{folder / 'pictures.bin'}@0x90000000", *BOARD, *PROBE]


@pytest.fixture
def on_bench(cli, bench: Path, monkeypatch: pytest.MonkeyPatch):
    """`cli` with the bench's state: the simulated board keeps its flash there."""
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(bench / "state"))
    return cli


def test_first_flash_reports_what_it_did(bench: Path, valid_report) -> None:
    report = json.loads((bench / "first.json").read_text())
    valid_report(report)
    assert report["simulated"] and report["board"] == "stm32f746g-disco" and report["probe"] == "746010001"
    assert report["bytes_written"] == len(CODE) + len(PICTURES)
    assert report["device"]["device_id"] == 0x449 and report["device"]["jedec_id"].startswith("20 BA 18")


def test_second_flash_writes_nothing_and_says_that_it_is_simulated(
    on_bench, bench: Path, valid_report
) -> None:
    said = on_bench(*flash_words(bench), "--json")
    valid_report(json.loads(said.out))
    lines = said.err.splitlines()
    assert "simulated" in lines[0] and "simulated" in lines[-1]
    assert any(line.startswith("0 bytes written, 20,212 bytes unchanged") for line in lines)
    assert said.code == 0


def test_verify_matches(on_bench, bench: Path, valid_report) -> None:
    said = on_bench("verify", *flash_words(bench)[1:], "--json")
    report = json.loads(said.out)
    valid_report(report)
    assert said.code == ExitCode.OK and report["verb"] == "verify"


def test_verify_of_something_else_differs(on_bench, bench: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(bytes([PICTURES[0] ^ 1]) + PICTURES[1:])
    said = on_bench("verify", f"{other}@0x90000000", *BOARD, *PROBE)
    assert said.code == ExitCode.DIFFERS
    assert "0x90000000" in said.out and "does not match" in said.out


def test_read_gives_the_bytes_back(on_bench, bench: Path, tmp_path: Path, valid_report) -> None:
    target = tmp_path / "back.bin"
    said = on_bench("read", "0x90000000", len(PICTURES), "-o", target, *BOARD, *PROBE, "--json")
    valid_report(json.loads(said.out))
    assert target.read_bytes() == PICTURES


def test_read_into_intel_hex_keeps_the_address(on_bench, tmp_path: Path) -> None:
    target = tmp_path / "back.hex"
    assert on_bench("read", "0x08000000", len(CODE), "-o", target, *BOARD, *PROBE).code == 0
    image = IntelHex(str(target))
    assert image.minaddr() == 0x0800_0000 and image.gets(0x0800_0000, len(CODE)) == CODE


def test_plan_folder_flashes_elsewhere_without_board_and_sources(
    on_bench, bench: Path, tmp_path: Path
) -> None:
    made = on_bench("plan", *flash_words(bench)[1:-2], "-o", tmp_path / "plan")
    assert made.code == 0 and "stm32f746g-disco" in made.out
    moved = (tmp_path / "plan").rename(tmp_path / "elsewhere")
    said = on_bench("flash", moved / "plan.json", *PROBE)
    assert said.code == 0 and "0 bytes written" in said.out


def test_plan_of_the_same_inputs_is_the_same_bytes(cli, bench: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert cli("plan", *flash_words(bench)[1:-2], "-o", tmp_path / name, "--quiet").out == ""
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_a_plan_whose_image_was_changed_stops_before_connecting(
    on_bench, bench: Path, tmp_path: Path
) -> None:
    on_bench("plan", *flash_words(bench)[1:-2], "-o", tmp_path, "--quiet")
    image = tmp_path / "qspi.bin"
    image.write_bytes(b"\0" + image.read_bytes()[1:])
    said = on_bench("flash", tmp_path / "plan.json", *PROBE)
    assert said.code == ExitCode.BAD_INPUT and "qspi.bin" in said.err
    assert said.out == ""


def test_a_harmed_cache_is_made_again(on_bench, bench: Path) -> None:
    for path in (bench / "state/cache/plans").rglob("qspi.bin"):
        path.write_bytes(b"harmed")
    for path in (bench / "state/cache/loaders").rglob("loader.elf"):
        path.write_bytes(b"harmed")
    said = on_bench(*flash_words(bench))
    assert said.code == 0 and "0 bytes written" in said.out


def test_one_region_alone(on_bench, bench: Path) -> None:
    said = on_bench(*flash_words(bench), "--region", "qspi")
    assert said.code == 0 and "20,000 bytes unchanged" in said.out


def test_a_region_that_the_plan_does_not_have(on_bench, bench: Path) -> None:
    said = on_bench(*flash_words(bench), "--region", "psram")
    assert said.code == ExitCode.BAD_INPUT and "psram" in said.err


def test_a_probe_that_another_process_holds(on_bench, bench: Path) -> None:
    with ProbeLock("sim-746010001", folder=bench / "state"):
        said = on_bench(*flash_words(bench))
    assert said.code == ExitCode.PROBE_BUSY and "in use" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_board_file_with_other_pins_stops_before_any_erase(on_bench, bench: Path) -> None:
    said = on_bench(*flash_words(bench), "--probe", "sim:746010002", "--twin", "acme-panel")
    assert said.code in (ExitCode.WRONG_DEVICE, ExitCode.DEVICE_FAILED)
    assert len(said.err.splitlines()) == 1
    assert "erased" not in said.out


def test_trace_records_the_session(on_bench, bench: Path, tmp_path: Path) -> None:
    trace = tmp_path / "session.trace"
    assert on_bench(*flash_words(bench), "--trace", trace).code == 0
    assert trace.stat().st_size > 1000


def test_reset_runs_or_halts(on_bench, valid_report) -> None:
    said = on_bench("reset", *BOARD, *PROBE, "--json")
    valid_report(json.loads(said.out))
    assert "running" in said.err
    assert "halted at the reset vector" in on_bench("reset", "--halt", *BOARD, *PROBE).out


def test_erase_takes_whole_units_and_verify_notices(on_bench, bench: Path, valid_report) -> None:
    """Last on this bench: it leaves a hole."""
    part = on_bench("erase", "--region", "qspi", "--size", "100", *BOARD, *PROBE)
    assert part.code == ExitCode.BAD_INPUT and "whole erase units" in part.err
    said = on_bench(
        "erase", "--region", "qspi", "--address", hex(QSPI + 4096), "--size", "4K", *BOARD, *PROBE, "--json"
    )
    report = json.loads(said.out)
    valid_report(report)
    assert (report["size"], report["erases"]) == (4096, 1)
    checked = on_bench("verify", *flash_words(bench)[1:])
    assert checked.code == ExitCode.DIFFERS
    again = on_bench(*flash_words(bench), "--json")
    assert json.loads(again.out)["bytes_written"] == 4096
