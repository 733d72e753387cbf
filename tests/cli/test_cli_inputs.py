"""What is dropped on the command line: nothing of it disappears in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.cli import main
from boardflash.errors import ExitCode
from image.elf_corpus import FLASH, RAM, Layout, gnu, noise

BOARD = ("--board", "stm32f746g-disco")
KNOWN = "internal 0x08000000 to 0x080fffff, qspi 0x90000000 to 0x90ffffff"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("fonts.bin").write_bytes(noise("fonts", 6000))
    Path("app.elf").write_bytes(gnu("app", 0x1_0000, FLASH + 0x8000).file())
    return tmp_path


def ram_elf(name: str, address: int) -> str:
    made = Layout(name)
    made.put(".text", 0x1000, address, noise(name, 1234))
    made.load(0x1000, address, address, 1234)
    Path(name).write_bytes(made.file())
    return name


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (
            ["fonts.bin@0x20000000"],
            "fonts.bin@0x20000000: its 6,000 bytes, 0x20000000 to 0x2000176f, are for RAM: nothing would be"
            " flashed; did you mean 0x90000000?",
        ),
        (
            ["app.elf", "fonts.bin@0x20000000"],
            "fonts.bin@0x20000000: its 6,000 bytes, 0x20000000 to 0x2000176f, are for RAM: nothing would be"
            " flashed; did you mean 0x90000000?",
        ),
        (
            ["fonts.bin@0x9000000"],
            f"fonts.bin: 6000 bytes at 0x09000000 is in no region of the board ({KNOWN}); did you mean"
            " 0x90000000 or 0x08000000?",
        ),
        (
            ["fonts.bin@0x00200000"],
            f"fonts.bin: 6000 bytes at 0x00200000 is in no region of the board ({KNOWN}); that is the ITCM"
            " view of internal, which is written at 0x08000000",
        ),
        (
            ["fonts.bin@0xd1234567"],
            f"fonts.bin: 6000 bytes at 0xd1234567 is in no region of the board ({KNOWN}); mend the load"
            " address in the linker script or the address of the input",
        ),
        (
            ["ram.elf"],
            "ram.elf: its 1,234 bytes, 0x20000000 to 0x200004d1, are for RAM: nothing would be flashed;"
            f" flash is {KNOWN}",
        ),
        (
            ["app.elf", "ram.elf"],
            "ram.elf: its 1,234 bytes, 0x20000000 to 0x200004d1, are for RAM: nothing would be flashed;"
            f" flash is {KNOWN}",
        ),
        (
            ["other.elf"],
            "other.elf: its 1,234 bytes, 0x00000000 to 0x000004d1, are for RAM: nothing would be flashed;"
            f" flash is {KNOWN}",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["flash", "plan", "split"])
def test_an_input_for_no_flash_is_an_error_alone_or_beside_others(
    verb: str, inputs: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ram_elf("ram.elf", RAM)
    ram_elf("other.elf", 0)  # of an MCU with its flash there
    more = ["--probe", "sim"] if verb == "flash" else ["--output", "out"]
    assert main([verb, *inputs, *BOARD, *more]) == ExitCode.BAD_INPUT
    said = capsys.readouterr()
    assert said.err == f"boardflash: {told}\n"
    assert said.out == ""


def test_what_is_left_out_is_told_by_split_plan_and_flash_and_stands_in_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = (
        "left out: 32,768 bytes at 0x08000000 (app.elf: program header 0): ELF headers and filling before"
        " .isr_vector"
    )
    commands = (
        ["split", "app.elf", *BOARD, "--output", "out"],
        ["plan", "app.elf", *BOARD, "--output", "out"],
        ["plan", "out/plan.json"],
        ["flash", "app.elf", *BOARD, "--probe", "sim"],
        ["flash", "out/plan.json", "--probe", "sim"],
    )
    for command in commands:
        assert main(command) == 0
        assert told in capsys.readouterr().out.splitlines(), command
    assert '"app.elf: program header 0"' in Path("out/plan.json").read_text()


def test_many_parts_left_out_are_told_in_sum(capsys: pytest.CaptureFixture[str]) -> None:
    made = Layout("many")
    made.put(".text", 0x1000, FLASH, noise("text", 64))
    made.load(0x1000, FLASH, FLASH, 64)
    for number in range(20):
        made.put(f".extra{number}", 0x2000 + 64 * number, FLASH + 0x1000 + 64 * number, noise("x", 10))
    Path("many.elf").write_bytes(made.file())
    assert main(["split", "many.elf", *BOARD, "--output", "out"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert len(lines) == 9
    assert lines[0] == "left out: 10 bytes at 0x08001000 (many.elf: .extra0): no program header loads it"
    assert lines[-1] == "left out: 120 bytes more in 12 parts"


def test_parts_that_overlap_are_one_if_they_agree_and_named_if_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Layout("twice")
    made.put(".boot", 0x1000, FLASH, noise("same", 64))
    made.put(".copy", 0x2000, FLASH, noise("same", 64))
    made.load(0x1000, FLASH, FLASH, 64)
    made.load(0x2000, FLASH, FLASH, 64)
    Path("twice.elf").write_bytes(made.file())
    assert main(["split", "twice.elf", *BOARD, "--output", "out"]) == 0
    assert capsys.readouterr().out.startswith("internal: 64 bytes at 0x08000000")
    made.blocks[0x2000] = noise("other", 64)
    Path("twice.elf").write_bytes(made.file())
    assert main(["split", "twice.elf", *BOARD, "--output", "out"]) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert ".boot" in said
    assert ".copy" in said
    assert "differs from it at 0x08000000" in said
