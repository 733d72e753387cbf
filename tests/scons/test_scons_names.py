"""File names that a shell or a command line would take for something else reach our commands literally."""

from __future__ import annotations

import json
import sys

import pytest

from boardflash.plan.file import load_plan

NAMES = (
    "two words.bin",
    "it's.bin",
    'say "this".bin',
    "a;touch made-by-semicolon.bin",
    "b`touch made-by-backquote`.bin",
    "c$(touch made-by-dollar).bin",
    "$HOME.bin",
    "${TARGET}.bin",
    "back\\slash.bin",
    "star*.bin",
    "-dash.bin",
    "--output.bin",
    "a&b|c.bin",
    "ümläut.bin",
)


def in_scons(name: str) -> str:
    """SCons has variables in every name, and a dollar written twice."""
    return name.replace("$", "$$")


@pytest.mark.skipif(sys.platform == "win32", reason="no file can have such a name there")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_reaches_the_command_literally(project, name: str) -> None:
    project.write(name, "art")
    words = json.dumps(f"{in_scons(name)}@0x90000000")
    project.sconstruct(f'env.FlashApplication("app", [{words}], "stm32f746g-disco")')
    project.run()
    (plan,) = project.calls("plan")
    assert plan[-1] == (f"./{name}" if name.startswith("-") else name) + "@0x90000000"
    assert not list(project.folder.glob("made-by-*"))
    project.up_to_date()


@pytest.mark.skipif(sys.platform == "win32", reason="no file can have such a name there")
def test_the_real_commands_take_all_of_them_at_once(tmp_path, make_project, monkeypatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    project = make_project(tmp_path / "project", {"BOARDFLASH_STATE_DIR": str(tmp_path / "state")})
    project.sconstruct("")
    text = (project.folder / "SConstruct").read_text().replace(", **FAKE)", ")")
    inputs = []
    for number, name in enumerate((*NAMES, "at@home.bin")):
        project.write(name, f"bytes of {name}")
        inputs.append(f"{in_scons(name)}@{0x9000_0000 + 0x1000 * number:#x}")
    project.write(
        "SConstruct", text + f'env.FlashApplication("app", {json.dumps(inputs)}, "stm32f746g-disco")\n'
    )
    project.run()
    plan = load_plan(project.folder / "build" / "stm32f746g-disco" / "app" / "plan.json")
    image = plan.region_image("qspi")
    for number, name in enumerate((*NAMES, "at@home.bin")):
        content = f"bytes of {name}".encode()
        assert image.read(0x9000_0000 + 0x1000 * number, len(content)) == content
    assert not list(project.folder.glob("made-by-*"))
