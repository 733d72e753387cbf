"""docs/probes.md says what the code does: forms, command strings, messages, times, names of locks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fake_target import Connect, FakeTarget

from boardflash.cli import main
from boardflash.cli.arguments import parse as parse_arguments
from boardflash.errors import BoardflashError
from boardflash.link import calls, probes
from boardflash.link.opening import AFTER_CONNECT, AFTER_OPEN, BEFORE_OPEN
from boardflash.link.selector import parse
from boardflash.sim.jlink import SimulatedJLink
from boardflash.sim.jlink_commands import DllOptions
from boardflash.sim.jlink_wire import LinkCosts, LinkFaults

PAGE = (Path(__file__).parents[2] / "docs" / "probes.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^    (.*)$", PAGE, re.MULTILINE)


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_form_is_taken_and_none_is_left_out() -> None:
    forms = re.findall(r"^\| `(.*?)` \|", section("Naming a probe"), re.MULTILINE)
    assert [parse(form).kind for form in forms] == ["serial", "usb", "ip", "ip", "tunnel", "sim", "sim"]
    assert parse("ip:lab-3").port == 19020


def test_the_command_strings_in_their_order() -> None:
    listed = re.findall(r"^- `(.*?)`( \(vital\))?$", section("What is said to it"), re.MULTILINE)
    sent = [*BEFORE_OPEN, *AFTER_OPEN, *AFTER_CONNECT]
    assert listed == [(command.text, " (vital)" if command.vital else "") for command in sent]


def test_the_commands_shown_are_taken() -> None:
    commands = [line for line in SHOWN if re.match(r"(BOARDFLASH_JLINK_DLL=\S+ )?boardflash ", line)]
    assert len(commands) == 2
    for line in commands:
        parse_arguments(line.split("boardflash ")[1].split())


def test_the_line_about_probe_and_software(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    library: Any = SimulatedJLink({801012345: FakeTarget()}, options=DllOptions(version=92401))
    library.path = "/opt/SEGGER/JLink_V924a/libjlinkarm.so.9.24.1"
    monkeypatch.setattr(probes, "load_dll", lambda: library)
    assert main(["reset", "--board", "acme-panel", "--probe", "801012345"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == SHOWN[1]
    assert main(["list-probes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "801012345  J-Link (simulated) (USB)",
        SHOWN[1].partition(", ")[2],
    ]


def test_the_window_is_told_in_these_words(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(calls, "WINDOW_NOTICE_S", 0.05)
    connect(faults=LinkFaults(licence_window_ms=300))
    told = capsys.readouterr().err.strip()
    assert told.replace("J-Link 746", "J-Link 801012345") == f"boardflash: {SHOWN[3]}"


def test_protection_and_a_core_that_runs_are_told_in_these_words(
    connect: Connect, target: FakeTarget
) -> None:
    link = connect()
    link.reset_and_halt()
    target.running = True
    with pytest.raises(BoardflashError) as caught:
        link.go()
    assert str(caught.value).replace("746", "801012345") == SHOWN[5]
    choice = probes.SimulationChoice(faults={"option_bytes.optcr": "0xC0FF55FD"})
    with pytest.raises(BoardflashError) as caught:
        probes.open_link(
            "sim:801012345",
            board_name="stm32f746g-disco",
            jlink_device="STM32F746NG",
            interface="swd",
            speed_khz=4000,
            under_reset=False,
            simulation=choice,
        )
    assert str(caught.value) == SHOWN[4]
    assert len(SHOWN) == 6


def test_the_times_are_those_of_the_simulation() -> None:
    costs, text = LinkCosts(), " ".join(section("Time on a simulated probe").split())
    for name, us in (
        ("opening", costs.open_us),
        ("connecting", costs.connect_us),
        ("a reset", costs.reset_us),
        ("a start", costs.go_us),
        ("asking whether the core is halted", costs.halted_us),
        ("an access to memory", costs.call_latency_us),
    ):
        assert f"{name} {us / 1000:g} ms" in text, name
    assert f"{costs.swd_clocks_per_word} SWD clocks a word" in text
    assert costs.bytes_per_second_max == 1_000_000 and "at most 1 MB/s" in text


def test_the_locks_are_where_the_page_says(connect: Connect, own_state: Path, tmp_path: Path) -> None:
    library = SimulatedJLink({5: FakeTarget()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "load_dll", lambda: library)
        with probes.open_link(
            "5",
            board_name="x",
            jlink_device="STM32F746NG",
            interface="swd",
            speed_khz=4000,
            under_reset=False,
        ):
            assert (own_state / "locks" / "probe-5.lock").is_file()
            assert (tmp_path / ".pylink-usb-5.lck").is_file()
