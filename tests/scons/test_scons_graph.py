"""What depends on what, and what a run of SCons leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN_BOARD = (ROOT / "boards" / "acme-panel.toml").read_text(encoding="utf-8")


def with_own_board(project, text: str = OWN_BOARD) -> None:
    project.sconstruct('env.FlashApplication("app", "app.hex", "boards/mine.toml")')
    project.write("boards/mine.toml", text.replace('"acme-panel"', '"mine"'))


def speed(text: str, value: int) -> str:
    """The board file with another probe speed."""
    lines = [line for line in text.splitlines() if not line.startswith("speed_khz")]
    at = lines.index("[probe]") + 1 if "[probe]" in lines else len(lines)
    head = [] if "[probe]" in lines else ["[probe]"]
    return "\n".join([*lines[:at], *head, f"speed_khz = {value}", *lines[at:]]) + "\n"


@pytest.mark.parametrize(
    "words", [(), (".",), ("-c",), ("-h",), ("-n", "flash", "PROBE=1"), ("plan",), ("loaders",)]
)
def test_no_run_but_flash_and_verify_reaches_a_device(project, words: tuple[str, ...]) -> None:
    project.run(*words)
    assert project.calls("flash") == [] and project.calls("verify") == []


def test_dry_run_prints_the_commands_and_touches_nothing(project) -> None:
    def files() -> list[Path]:
        """SCons itself opens its database even for -n."""
        return sorted(path for path in project.folder.rglob("*") if not path.name.startswith(".sconsign"))

    before = files()
    out = project.run("-n", "flash", "PROBE=746000001").stdout
    assert "fake_bench.py loader" in out and "fake_bench.py plan" in out
    assert "fake_bench.py flash build/stm32f746g-disco/app/plan.json" in out and "--probe=746000001" in out
    assert files() == before


def test_reading_sconscripts_loads_no_probe_simulator_or_renderer(project) -> None:
    """Neither device I/O nor a slow start belongs to reading."""
    text = (project.folder / "SConstruct").read_text()
    project.write(
        "SConstruct",
        text
        + "\nimport sys\nslow = {'pylink', 'unicorn', 'jinja2', 'rich', 'elftools'}"
        + "\nprint('LOADED', sorted(slow & set(sys.modules)))\n",
    )
    assert "LOADED []" in project.run("-n").stdout


def test_a_comment_in_a_board_file_rebuilds_nothing(project) -> None:
    with_own_board(project)
    project.run()
    with_own_board(project, "# a new comment\n" + OWN_BOARD)
    project.up_to_date()


def test_a_value_in_a_board_file_rebuilds_loader_and_plan_and_explains_itself(project) -> None:
    with_own_board(project, speed(OWN_BOARD, 4000))
    project.run()
    with_own_board(project, speed(OWN_BOARD, 2000))
    project.not_up_to_date("loaders")
    project.not_up_to_date("plan")
    assert "2000" in project.run("-n", "--debug=explain", "loaders").stdout


def test_a_change_in_the_c_sources_or_in_the_renderer_rebuilds_the_loader(project, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    for name in ("site_scons", "loader", "boards"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = (project.folder / "SConstruct").read_text()
    project.write("SConstruct", text.replace(str(ROOT / "site_scons"), str(copy / "site_scons")))
    project.run("loaders")
    project.up_to_date("loaders")
    for name in ("loader/main.c", "loader/mailbox.h", "site_scons/boardflash/loader/render.py"):
        path = copy / name
        path.write_text(path.read_text() + "\n")
        project.not_up_to_date("loaders")
        project.run("loaders")


def test_another_toolchain_rebuilds_the_loader(project) -> None:
    pytest.importorskip("ziglang")
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    project.run("loaders")
    project.not_up_to_date("loaders", "TOOLCHAIN=gcc")


def test_flags_and_environment_of_the_host_do_not_reach_our_commands(project) -> None:
    text = (project.folder / "SConstruct").read_text()
    project.write(
        "SConstruct",
        text.replace(
            "env.FlashApplication",
            "env.Append(CCFLAGS=['-DHOST'], CPPPATH=['host'], ENV={'HOSTILE': '1', 'CFLAGS': '-DHOST'})\n"
            "env.FlashApplication",
        ),
    )
    project.environment["CFLAGS"] = "-DHOST"
    project.environment["PYTHONSTARTUP"] = "host.py"
    project.run("flash", "PROBE=1")
    records = project.call_records()
    assert {record["verb"] for record in records} == {"loader", "plan", "flash"}
    for record in records:
        assert "HOST" not in json.dumps(record["words"])
        assert not {"HOSTILE", "CFLAGS", "PYTHONSTARTUP"} & set(record["env"])


def test_commands_run_the_package_that_made_them(project) -> None:
    project.environment["PYTHONPATH"] = str(project.folder)
    project.run("flash", "PROBE=1")
    assert {str(record["env"]["PYTHONPATH"]) for record in project.call_records()} == {
        str(ROOT / "site_scons")
    }


def test_two_environments_may_both_have_the_tool(project) -> None:
    text = (project.folder / "SConstruct").read_text()
    line = next(line for line in text.splitlines() if line.startswith("env = "))
    project.write("SConstruct", text + "\n" + line.replace("env = ", "second = ") + "\n" + line + "\n")
    assert project.run("-h").stdout.count("Flashing (boardflash)") == 1


def test_the_tool_does_not_hide_the_package(project) -> None:
    text = (project.folder / "SConstruct").read_text()
    project.write(
        "SConstruct",
        text + "\nimport sys, boardflash.errors\nassert sys.modules['boardflash'].__path__\n",
    )
    project.run("-n")


def test_a_variant_dir_copies_no_board_and_no_loader_source(project) -> None:
    project.sconstruct("SConscript('src/SConscript', variant_dir='out', duplicate=1, exports='env')")
    project.write("src/SConscript", 'Import("env")\nenv.FlashApplication("app", "app.hex", "mine.toml")\n')
    project.write("src/app.hex", ":00000001FF\n")
    project.write("src/mine.toml", OWN_BOARD.replace('"acme-panel"', '"mine"'))
    project.run("flash", "PROBE=1")
    assert project.calls("loader")[0][:2] == ["--board", "src/mine.toml"]
    assert not (project.folder / "out/mine.toml").exists()
    assert not list((project.folder / "out").rglob("*.c"))


def test_a_bin_at_an_address_is_an_input(project) -> None:
    project.sconstruct(
        'env.FlashApplication("app", ["app.hex", "pictures.bin@0x90000000"], "stm32f746g-disco")'
    )
    project.write("pictures.bin", "one")
    project.run("plan")
    assert project.calls("plan")[0][-2:] == ["app.hex", "pictures.bin@0x90000000"]
    project.write("pictures.bin", "two")
    project.not_up_to_date("plan")
