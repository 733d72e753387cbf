"""Every kind of bad chip or die file, and the one line that its author reads."""

# ruff: noqa: E501 -- a message stands on one line, as its reader sees it
from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.description.load import load_board, load_chip, load_mcu
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir

CHIP = """\
schema = 1
name = "own"
vendor = "Own"
jedec_id = ["EF 40 18"]
size = 16_777_216
page_size = 256
quad_enable = "S2B1v4"
address_bytes = 3
status_write_max_ms = 15
clear_only_program = true
read = { opcode = 0xEB, lines = "1-4-4", mode_cycles = 2, mode_value = 0xFF, dummy_cycles = 4, clock_hz_max = 104_000_000 }
program = { opcode = 0x32, lines = "1-1-4", typ_us = 400, max_us = 3000 }
chip_erase = { opcode = 0xC7, typ_ms = 40_000, max_ms = 200_000 }

[[erase]]
size = 4096
opcode = 0x20
typ_ms = 45
max_ms = 400

[[erase]]
size = 65536
opcode = 0xD8
typ_ms = 150
max_ms = 2000
"""


def chip_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BoardflashError) as caught:
        load_chip("own.toml")
    return str(caught.value)


CHIP_CASES = [
    (
        "schema = 1",
        "schema = 3",
        "own.toml: schema = 3: this boardflash reads schema 1; a newer one may read this file",
    ),
    ('name = "own"', 'name = "onw"', 'own.toml: name = "onw": the name must be the file\'s: "own"'),
    (
        '"EF 40 18"',
        '"EF4018"',
        'own.toml: jedec_id = ["EF4018"]: "EF4018" is no ID; expected three to six bytes like "EF 40 18"',
    ),
    (
        '["EF 40 18"]',
        '["EF 40 18", "ef 40 18"]',
        'own.toml: jedec_id = ["EF 40 18", "ef 40 18"]: an ID stands there twice',
    ),
    (
        "size = 16_777_216",
        "size = 16_000_000",
        "own.toml: size = 16000000: expected a power of two, in bytes",
    ),
    (
        "size = 16_777_216",
        "size = 33_554_432",
        "own.toml: address_bytes = 3: 3 bytes reach 16 MiB only, the chip has 32 MiB; give 4-byte commands",
    ),
    ("page_size = 256", "page_size = 250", "own.toml: page_size = 250: expected a power of two"),
    (
        '"S2B1v4"',
        '"S2B1"',
        'own.toml: quad_enable = "S2B1": unknown value; did you mean "S2B1v6"?',
    ),
    ("address_bytes = 3", "address_bytes = 2", "own.toml: address_bytes = 2: expected 3 to 4"),
    (
        "address_bytes = 3",
        'address_bytes = 3\nenter_4byte = "B7"',
        'own.toml: enter_4byte = "B7": needs address_bytes = 4',
    ),
    ("opcode = 0xEB", "opcode = 0x1EB", "own.toml: [read] opcode = 0x1eb: expected 0x0 to 0xff"),
    (
        '"1-4-4", mode',
        '"4-4-4", mode',
        'own.toml: [read] lines = "4-4-4": unknown value; did you mean "1-4-4"?',
    ),
    (
        "mode_cycles = 2",
        "mode_cycles = 1",
        "own.toml: [read] mode_cycles = 1: a mode byte on 4 lines takes 2 clocks; a chip without one has 0",
    ),
    (
        " mode_value = 0xFF,",
        "",
        "own.toml: [read] mode_value: the integer is missing: the byte for the mode clocks that keeps continuous read off",
    ),
    (
        "mode_cycles = 2",
        "mode_cycles = 0",
        "own.toml: [read] mode_value = 255: there are no mode clocks to send it in (mode_cycles = 0)",
    ),
    (
        "dummy_cycles = 4",
        "wait_cycles = 4",
        'own.toml: [read] wait_cycles: unknown key; did you mean "mode_cycles"?',
    ),
    ("typ_us = 400", "typ_us = 4000", "own.toml: [program] typ_us = 4000: is more than max_us = 3000"),
    (
        "size = 4096",
        "size = 3072",
        "own.toml: [erase #1] size = 3072: does not divide the chip's size of 16777216 bytes",
    ),
    ("size = 65536", "size = 4096", "own.toml: [erase #2] size = 4096: stands there twice"),
    ("typ_ms = 45\n", "", "own.toml: [erase #1] typ_ms: the integer is missing"),
    (
        "max_ms = 2000",
        "max_ms = 2000\ncolour = 1",
        "own.toml: [erase #2] colour: unknown key; known are max_ms, opcode, size, typ_ms",
    ),
    (
        "clear_only_program = true",
        "clear_only_program = 1",
        "own.toml: clear_only_program = 1: expected a boolean, found an integer",
    ),
    (
        "clear_only_program = true",
        'clear_only_program = true\nsfdp_sha256 = "12"',
        'own.toml: sfdp_sha256 = "12": expected 64 lower-case hexadecimal digits',
    ),
    (
        "[[erase]]\nsize = 4096",
        '[assumed]\n"erase.4096.typ_ms" = { value = 1, reason = "x" }\n[[erase]]\nsize = 4096',
        'own.toml: [assumed."erase.4096.typ_ms"]: the file gives 45 already; an assumption stands where nothing does',
    ),
    (
        "[[erase]]\nsize = 4096",
        '[assumed]\n"erase.8192.typ_ms" = { value = 1, reason = "x" }\n[[erase]]\nsize = 4096',
        'own.toml: [assumed."erase.8192.typ_ms"]: no such place in this file',
    ),
    (
        "[[erase]]\nsize = 4096",
        '[assumed]\n"flag_status" = { value = true }\n[[erase]]\nsize = 4096',
        "own.toml: [assumed.flag_status] reason: the string is missing",
    ),
    (
        "[[erase]]\nsize = 4096",
        '[assumed]\n"flag_status" = { value = 1, reason = "x" }\n[[erase]]\nsize = 4096',
        "own.toml: flag_status = 1: expected a boolean, found an integer",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), CHIP_CASES, ids=[new or f"no {old}" for old, new, _ in CHIP_CASES]
)
def test_a_bad_chip_file_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    assert CHIP.count(old) == 1
    assert chip_complaint(tmp_path, monkeypatch, CHIP.replace(old, new)) == message


def test_an_erase_size_below_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CHIP.replace("page_size = 256", "page_size = 4096").replace(
        "size = 4096\nopcode", "size = 2048\nopcode"
    )
    assert chip_complaint(tmp_path, monkeypatch, text) == (
        "own.toml: [erase #1] size = 2048: is not a whole number of pages of 4096 bytes"
    )


def test_the_unchanged_chip_file_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(CHIP, encoding="utf-8")
    assert load_chip("own.toml").erases[1].size == 65536


def test_an_unknown_chip_and_mcu() -> None:
    with pytest.raises(BoardflashError) as caught:
        load_chip("w25q128")
    assert str(caught.value) == 'unknown chip "w25q128"; did you mean "w25q128jv"?'
    with pytest.raises(BoardflashError) as caught:
        load_mcu("stm32f767")
    assert str(caught.value) == 'unknown MCU "stm32f767"; did you mean "stm32f746"?'


MCU_CASES = [
    (
        "size = 327_680",
        "size = 20_480",
        "bench/mcus/stm32f746.toml: [ram] size = 20480: too small: the loader takes 14336 bytes and its buffers at least 16384",
    ),
    (
        "sizes             = [65_536,",
        "sizes             = [65_000,",
        "bench/mcus/stm32f746.toml: [flash] sizes = [65000, 524288, 1048576]: 65000 does not end at the end of a sector",
    ),
    (
        'driver            = "stm32f7_flash"',
        'driver            = "stm32f7_flash.c"',
        'bench/mcus/stm32f746.toml: [flash] driver = "stm32f7_flash.c": expected the name of a C file of the loader, without .c',
    ),
    (
        "hclk_hz     = 168_000_000",
        "hclk_hz     = 216_000_000",
        "bench/mcus/stm32f746.toml: [clock] hclk_hz = 216000000: expected 1000000 to 180000000",
    ),
    (
        "hclk_hz     = 168_000_000",
        "hclk_hz     = 180_000_000",
        "bench/mcus/stm32f746.toml: [clock] hclk_hz = 180000000: that is 188100000 with an oscillator 45000 ppm fast; "
        "180000000 at most",
    ),
    (
        "window_size          = 0x1000_0000",
        "window_size          = 0x0080_0000",
        'boards/stm32f746g-disco.toml: [qspi] chips = ["n25q128a13", "w25q128jv"]: n25q128a13 has 16 MiB; '
        "the controller's window holds 8 MiB",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), MCU_CASES, ids=[new for _, new, _ in MCU_CASES])
def test_a_bad_die_file_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    text = (data_dir("boards") / "mcus" / "stm32f746.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    monkeypatch.chdir(tmp_path)
    mcus = Path("bench/mcus")
    mcus.mkdir(parents=True)
    (mcus / "stm32f746.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(BoardflashError) as caught:
        load_board("stm32f746g-disco", [Path("bench")])
    assert str(caught.value) == message
