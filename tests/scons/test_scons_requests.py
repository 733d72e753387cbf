"""BOARD=, APP=, PROBE=, REGION= and the targets: what is meant, and one line for what can't be."""

from __future__ import annotations

import pytest

TWO_BOARDS = """
for board in ("stm32f746g-disco", "acme-panel"):
    for app in ("first", "second"):
        env.FlashApplication(app, "app.hex", board)
"""


@pytest.fixture
def monorepo(project):
    project.sconstruct(TWO_BOARDS)
    return project


def plans(project) -> list[str]:
    return sorted(words[0] for words in project.calls("flash"))


def one_line(project, *words: str) -> str:
    """The only line that a run which can't be meant says; nothing runs."""
    outcome = project.run(*words, expect=2)
    lines = [line for line in outcome.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("scons: *** "), outcome.text
    assert project.call_records() == []
    return lines[0]


def test_board_chooses_and_the_first_application_is_meant(monorepo) -> None:
    monorepo.run("flash", "BOARD=acme-panel", "PROBE=1")
    assert plans(monorepo) == ["build/acme-panel/first/plan.json"]


def test_app_chooses_another(monorepo) -> None:
    monorepo.run("flash", "BOARD=acme-panel", "APP=second", "PROBE=1")
    assert plans(monorepo) == ["build/acme-panel/second/plan.json"]


def test_target_with_a_board_in_its_name(monorepo) -> None:
    monorepo.run("flash-acme-panel", "PROBE=1")
    assert plans(monorepo) == ["build/acme-panel/first/plan.json"]


def test_target_with_a_board_and_a_region_in_its_name(monorepo) -> None:
    monorepo.run("flash-acme-panel-qspi", "PROBE=1")
    assert monorepo.calls("flash")[0][:2] == ["build/acme-panel/first/plan.json", "--region=qspi"]


def test_two_boards_are_flashed_by_one_run(monorepo) -> None:
    monorepo.run("-j2", "flash-acme-panel", "flash-stm32f746g-disco", "PROBE=sim")
    assert len(plans(monorepo)) == 2


def test_simulated_boards_of_two_kinds_are_two_devices(monorepo) -> None:
    monorepo.run("flash-acme-panel", "flash-stm32f746g-disco", "PROBE=sim")
    folders = {path.name for path in (monorepo.folder / "build/flash").iterdir() if path.is_dir()}
    assert len(folders) == 2 and all(name.startswith("sim-") for name in folders)


def test_sim_and_its_serial_number_are_one_device(project) -> None:
    from boardflash.link.probes import default_serial

    project.run("flash", "PROBE=sim")
    project.up_to_date("flash", f"PROBE=sim:{default_serial('stm32f746g-disco')}")


@pytest.mark.parametrize(
    ("probe", "folder"),
    [("ip:lab-3:19021", "ip-lab-3-19021"), ("usb:1-2.3", "usb-1-2.3"), ("tunnel:801012345", "801012345")],
)
def test_a_probe_by_address_has_its_own_stamps(project, probe: str, folder: str) -> None:
    project.run("flash", f"PROBE={probe}")
    (call,) = project.calls("flash")
    assert f"--probe={probe}" in call
    assert (project.folder / "build" / "flash" / folder).is_dir()
    project.up_to_date("flash", f"PROBE={probe}")


def test_a_tunnel_is_one_more_way_to_the_probe_of_that_number(project) -> None:
    project.run("flash", "PROBE=tunnel:801012345")
    project.up_to_date("flash", "PROBE=801012345")


def test_two_boards_can_not_be_on_one_probe_by_two_ways(monorepo) -> None:
    line = one_line(monorepo, "flash-acme-panel", "flash-stm32f746g-disco", "PROBE=tunnel:5")
    assert "PROBE=tunnel:5" in line and "at once" in line


def test_each_of_several_probes_has_its_own_report_and_trace(project) -> None:
    project.run("flash", "verify", "PROBE=1,sim:2", "JSON=out/report.json", "TRACE=session.trace")
    for verb in ("flash", "verify"):
        words = {word for call in project.calls(verb) for word in call}
        assert {"--json=out/report-1.json", "--json=out/report-sim-2.json"} <= words
        assert {"--trace=session-1.trace", "--trace=session-sim-2.trace"} <= words


def test_project_may_name_its_default_board(monorepo) -> None:
    text = (monorepo.folder / "SConstruct").read_text()
    monorepo.write("SConstruct", text.replace("**FAKE", "FLASHBOARD='acme-panel', **FAKE"))
    monorepo.run("flash", "PROBE=1")
    monorepo.run("flash-stm32f746g-disco", "PROBE=2")
    assert plans(monorepo) == ["build/acme-panel/first/plan.json", "build/stm32f746g-disco/first/plan.json"]


def test_verify_comes_after_flash(monorepo) -> None:
    monorepo.run("-j4", "verify", "flash", "BOARD=acme-panel", "PROBE=1")
    verbs = [record["verb"] for record in monorepo.call_records()]
    assert verbs.index("flash") < verbs.index("verify")


def test_plan_tells_about_every_plan_that_is_in_view(monorepo) -> None:
    monorepo.run("plan", "BOARD=acme-panel")
    shown = sorted(words[0] for words in monorepo.calls("show"))
    assert shown == ["build/acme-panel/first/plan.json", "build/acme-panel/second/plan.json"]


def test_flash_with_several_boards_asks_which(monorepo) -> None:
    line = one_line(monorepo, "flash", "PROBE=1")
    assert "stm32f746g-disco" in line and "acme-panel" in line and "BOARD=" in line


def test_two_boards_can_not_be_on_one_probe(monorepo) -> None:
    line = one_line(monorepo, "flash-acme-panel", "flash-stm32f746g-disco", "PROBE=5")
    assert "PROBE=5" in line and "at once" in line


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("flash", "BOARD=acme-panl", "PROBE=1"), "acme-panel (first, second)"),
        (("flash", "BOARD=acme-panel", "APP=third"), "APP=third"),
        (("flash-acme", "PROBE=1"), "flash-acme"),
        (("flash", "REGON=qspi"), "did you mean REGION=?"),
        (("flash", "BOARD=acme-panel", "REGION=psram"), "internal, qspi"),
        (("flash", "PROBE=simm"), "sim:SERIAL"),
        (("flash", "PROBE=1;reboot"), "sim:SERIAL"),
        (("flash", "BOARD=acme-panel", "TRACE=$(reboot)"), "TRACE="),
        (("flash", "TRUST=yes"), "digest, stamp"),
        (("flash", "VERIFY=all"), "touched, full"),
        (("flash", "FORCE=yes"), "0, 1"),
        (("loaders", "TOOLCHAIN=armcc"), "zig, gcc"),
    ],
)
def test_what_can_not_be_meant_is_one_line(monorepo, words: tuple[str, ...], part: str) -> None:
    assert part in one_line(monorepo, *words)


def test_unknown_board_in_an_sconscript_names_file_and_line(project) -> None:
    project.sconstruct('env.FlashApplication("app", "app.hex", "acme-panl")')
    line = one_line(project)
    assert 'did you mean "acme-panel"?' in line and "SConstruct, line" in line


def test_a_missing_dependency_is_one_line(project) -> None:
    project.write(
        "SConstruct",
        "import sys\nsys.modules['tomli'] = None\n" + (project.folder / "SConstruct").read_text(),
    )
    assert "pip install" in one_line(project)


def test_broken_board_file_is_one_line(project) -> None:
    project.sconstruct('env.FlashApplication("app", "app.hex", "mine.toml")')
    project.write("mine.toml", "schema = \n")
    assert "mine.toml" in one_line(project)


def test_help_tells_every_variable(project) -> None:
    from boardflash.scons_request import VARIABLES

    out = project.run("-h").stdout
    for name, text, _ in VARIABLES:
        assert f"{name}=" in out and text in out


def test_list_boards_names_ours_and_those_of_boardpath(project) -> None:
    source = (project.folder / "boards").mkdir()
    from boardflash.resources import data_dir

    text = (data_dir("boards") / "acme-panel.toml").read_text().replace('"acme-panel"', '"mine"')
    project.write("boards/mine.toml", text)
    out = project.run("list-boards", "BOARDPATH=boards").stdout
    assert "stm32f746g-disco" in out and "mine" in out
    assert source is None
