"""Every kind of bad board file, and the one line that its author reads."""

# ruff: noqa: E501 -- a message stands on one line, as its reader sees it

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boardflash.description.load import load_board
from boardflash.errors import BoardflashError, ExitCode

BOARD = """\
schema = 1
name   = "acme"
title  = "ACME"
mcu    = "STM32F746NG"

[probe]
interface = "swd"
speed_khz = 4000

[qspi]
bank  = 1
chips = ["n25q128a13", "w25q128jv"]
clock_hz_max = 54_000_000

[qspi.pins]
clk = "PB2"
ncs = "PB6"
io0 = "PD11"
io1 = "PD12"
io2 = "PE2"
io3 = "PD13"
"""

Load = Callable[[str], str]


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Writes a board file and returns the line that loading it ends with."""
    monkeypatch.chdir(tmp_path)

    def load(text: str) -> str:
        Path("acme.toml").write_text(text, encoding="utf-8")
        with pytest.raises(BoardflashError) as caught:
            load_board("acme.toml")
        assert caught.value.code is ExitCode.BAD_INPUT
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return load


CASES = [
    # schema, name, top level
    (
        "schema = 1",
        "schema = 2",
        "acme.toml: schema = 2: this boardflash reads schema 1; a newer one may read this file",
    ),
    ("schema = 1", "", "acme.toml: schema: the integer is missing"),
    (
        'name   = "acme"',
        'name   = "other"',
        'acme.toml: name = "other": the name must be the file\'s: "acme"',
    ),
    (
        'name   = "acme"',
        'name   = "Acme Panel"',
        'acme.toml: name = "Acme Panel": expected lower-case letters, digits, - and _',
    ),
    ('title  = "ACME"', "", "acme.toml: title: the string is missing"),
    ('title  = "ACME"', "title  = 7", "acme.toml: title = 7: expected a string, found an integer"),
    ('title  = "ACME"', 'titel  = "ACME"', 'acme.toml: titel: unknown key; did you mean "title"?'),
    ("[probe]", "[prob]", 'acme.toml: [prob]: unknown table; did you mean "probe"?'),
    (
        'title  = "ACME"',
        'title  = "ACME"\nboot_guard = "sometimes"',
        'acme.toml: boot_guard = "sometimes": unknown value; known are always, internal, never',
    ),
    # TOML itself
    ('mcu    = "STM32F746NG"', "mcu    = STM32", "acme.toml:4:10: TOML syntax: invalid value"),
    ("[probe]", "[probe", "acme.toml:6:7: TOML syntax: expected ']' at the end of a table declaration"),
    (
        'title  = "ACME"',
        'title  = "ACME"\ntitle = "B"',
        "acme.toml:4:12: TOML syntax: cannot overwrite a value",
    ),
    # the part
    (
        "STM32F746NG",
        "STM32F746NX",
        'acme.toml: mcu = "STM32F746NX": unknown part number; did you mean "STM32F746NG"?',
    ),
    (
        "STM32F746NG",
        "STM32F103C8",
        'acme.toml: mcu = "STM32F103C8": unknown part number; the pin table has STM32 parts with QUADSPI, '
        "OCTOSPI or XSPI only",
    ),
    (
        "STM32F746NG",
        "STM32F769NI",
        'acme.toml: mcu = "STM32F769NI": no die file for STM32F769NI (device ID 0x451); there are '
        "stm32f746 (STM32F745/F746/F750/F756), stm32h743 (STM32H743/H750/H753)",
    ),
    (
        "STM32F746NG",
        "STM32H735IG",
        'acme.toml: mcu = "STM32H735IG": STM32H735IG has OCTOSPI1 and OCTOSPI2, which no driver serves yet; '
        "QUADSPI is the one that is served",
    ),
    (
        "STM32F746NG",
        "STM32H743VG",
        'acme.toml: mcu = "STM32H743VG": STM32H743VG has 1024 KiB of flash; boards/mcus/stm32h743.toml describes '
        "128 KiB, 2048 KiB",
    ),
    (
        "STM32F746NG",
        "STM32F746",
        'acme.toml: mcu = "STM32F746": the part number is not complete; it may be STM32F746BE, STM32F746BG, STM32F746IE, STM32F746IG, STM32F746NE, STM32F746NG, STM32F746VE, STM32F746VG, ...',
    ),
    # the probe
    ("speed_khz = 4000", "speed_khz = 1", "acme.toml: [probe] speed_khz = 1: expected 5 to 50000"),
    (
        "speed_khz = 4000",
        "speed_mhz = 4",
        'acme.toml: [probe] speed_mhz: unknown key; did you mean "speed_khz"?',
    ),
    (
        "speed_khz = 4000",
        'speed_khz = "4"',
        'acme.toml: [probe] speed_khz = "4": expected an integer, found a string',
    ),
    (
        "speed_khz = 4000",
        "speed_khz = true",
        "acme.toml: [probe] speed_khz = true: expected an integer, found a boolean",
    ),
    (
        'interface = "swd"',
        'interface = "jtag"',
        'acme.toml: [probe] interface = "jtag": unknown value; known are swd',
    ),
    (
        "speed_khz = 4000",
        "connect_under_reset = 1",
        "acme.toml: [probe] connect_under_reset = 1: expected a boolean, found an integer",
    ),
    # chips
    (
        '"w25q128jv"]',
        '"w25q128fv"]',
        'acme.toml: [qspi] chips = ["n25q128a13", "w25q128fv"]: unknown chip "w25q128fv"; did you mean "w25q128jv"?',
    ),
    (
        '["n25q128a13", "w25q128jv"]',
        "[]",
        "acme.toml: [qspi] chips = []: expected an array of at least one string",
    ),
    (
        '["n25q128a13", "w25q128jv"]',
        '"n25q128a13"',
        'acme.toml: [qspi] chips = "n25q128a13": expected an array, found a string',
    ),
    (
        '"w25q128jv"]',
        '"n25q128a13"]',
        'acme.toml: [qspi] chips = ["n25q128a13", "n25q128a13"]: a chip stands there twice',
    ),
    (
        '"w25q128jv"]',
        '"w25q64jv"]',
        'acme.toml: [qspi] chips = ["n25q128a13", "w25q64jv"]: alternates must agree in size; '
        "n25q128a13 has 16 MiB, w25q64jv 8 MiB",
    ),
    ("clock_hz_max = 54_000_000", "", "acme.toml: [qspi] clock_hz_max: the integer is missing"),
    ("bank  = 1", "bank  = 3", "acme.toml: [qspi] bank = 3: expected 1 to 2"),
    # pins
    (
        'io2 = "PE2"',
        'io2 = "PE2/AF10"',
        'acme.toml: [qspi.pins] io2 = "PE2/AF10": PE2 has no QUADSPI function on AF10; '
        "on this MCU it is AF9.",
    ),
    (
        'io2 = "PE2"',
        'io2 = "E2"',
        'acme.toml: [qspi.pins] io2 = "E2": expected a pin like "PB2" or "PB2/AF9"',
    ),
    (
        'io2 = "PE2"',
        'io2 = "PE16"',
        'acme.toml: [qspi.pins] io2 = "PE16": expected a pin like "PB2" or "PB2/AF9"',
    ),
    (
        'io2 = "PE2"',
        'io2 = "PD13"',
        'acme.toml: [qspi.pins] io2 = "PD13": PD13 carries io3 of bank 1 on STM32F746NG; '
        "io2 of bank 1 is on PE2 (AF9), PF7 (AF9)",
    ),
    (
        'io2 = "PE2"',
        'io2 = "PA9"',
        'acme.toml: [qspi.pins] io2 = "PA9": PA9 has no QUADSPI function on STM32F746NG; '
        "io2 of bank 1 is on PE2 (AF9), PF7 (AF9)",
    ),
    (
        "bank  = 1",
        "bank  = 2",
        'acme.toml: [qspi.pins] ncs = "PB6": PB6 carries ncs of bank 1 on STM32F746NG; ncs of bank 2 is on PC11 (AF9)',
    ),
    (
        'io3 = "PD13"',
        "",
        "acme.toml: [qspi.pins] io3: the string is missing; n25q128a13 is used with 1-4-4, which needs this pin",
    ),
    ('ncs = "PB6"', "", "acme.toml: [qspi.pins] ncs: the string is missing"),
    ('ncs = "PB6"', 'nss = "PB6"', 'acme.toml: [qspi.pins] nss: unknown key; did you mean "ncs"?'),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), CASES, ids=[f"{new or 'no ' + old}" for old, new, _ in CASES]
)
def test_a_bad_board_file_gets_one_line(complaint: Load, old: str, new: str, message: str) -> None:
    assert BOARD.count(old) == 1
    assert complaint(BOARD.replace(old, new)) == message


def test_a_pin_that_only_larger_packages_have(complaint: Load) -> None:
    text = BOARD.replace("STM32F746NG", "STM32F746VG").replace('io2 = "PE2"', 'io2 = "PF7"')
    assert complaint(text) == (
        'acme.toml: [qspi.pins] io2 = "PF7": STM32F746VG has no QUADSPI function on PF7; other packages of this die '
        "have; io2 of bank 1 is on PE2 (AF9)"
    )


APPENDED = [
    (
        '[[protect]]\nregion = "flash"\naddress = 0x9000_0000\nsize = 4096',
        'acme.toml: [protect #1] region = "flash": unknown value; known are internal, qspi',
    ),
    (
        '[[protect]]\nregion = "qspi"\naddress = 0x9100_0000\nsize = 4096',
        "acme.toml: [protect #1] address = 0x91000000: the range lies outside qspi, which is 0x90000000 to 0x90ffffff",
    ),
    (
        '[[protect]]\nregion = "qspi"\naddress = 0x9000_0800\nsize = 4096',
        "acme.toml: [protect #1] address = 0x90000800: begins inside the erase unit 0x90000000 to 0x90000fff; "
        "protect all of it",
    ),
    (
        '[[protect]]\nregion = "internal"\naddress = 0x0802_0000\nsize = 32768',
        "acme.toml: [protect #1] size = 32768: ends inside the erase unit 0x08020000 to 0x0803ffff; protect all of it",
    ),
    (
        '[[protect]]\nregion = "qspi"\naddress = 0x9000_0000\nsize = 8192\n'
        '[[protect]]\nregion = "qspi"\naddress = 0x9000_1000\nsize = 4096',
        "acme.toml: [protect #2] address = 0x90001000: overlaps another protected range",
    ),
    ("[internal]\nsize = 49152", "acme.toml: [internal] size = 49152: must end at the end of a sector"),
    (
        "[internal]\nsize = 2_097_152",
        "acme.toml: [internal] size = 2097152: STM32F746NG has 1048576 bytes of internal flash",
    ),
    ("[internal]\nbase = 1", "acme.toml: [internal] base: unknown key; known are loader, size"),
    (
        "[qspi.chip.w25q64jv]\npage_size = 1",
        'acme.toml: [qspi.chip.w25q64jv]: unknown table; did you mean "w25q128jv"?',
    ),
    (
        "[qspi.chip.w25q128jv]\nread.dummy_cycles = 32",
        "acme.toml: [qspi.chip.w25q128jv.read] dummy_cycles = 32: expected 0 to 31",
    ),
    (
        "[qspi.chip.w25q128jv]\nread.dumy_cycles = 6",
        'acme.toml: [qspi.chip.w25q128jv.read] dumy_cycles: unknown key; did you mean "dummy_cycles"?',
    ),
    (
        "[qspi.chip.w25q128jv]\npagesize = 1",
        'acme.toml: [qspi.chip.w25q128jv] pagesize: unknown key; did you mean "page_size"?',
    ),
    (
        '[qspi.chip.w25q128jv]\njedec_id = ["EF 40 18"]',
        'acme.toml: [qspi.chip.w25q128jv] jedec_id = ["EF 40 18"]: a board can\'t override this; '
        "write a chip file of your own",
    ),
    (
        "[qspi.chip.w25q128jv.erase.8192]\ntyp_ms = 1",
        "acme.toml: [qspi.chip.w25q128jv] erase.8192.typ_ms = 1: no such place in the chip file",
    ),
]


@pytest.mark.parametrize(("text", "message"), APPENDED, ids=[text.replace("\n", " ") for text, _ in APPENDED])
def test_a_bad_further_table_gets_one_line(complaint: Load, text: str, message: str) -> None:
    assert complaint(f"{BOARD}\n{text}\n") == message


def test_bytes_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("acme.toml").write_bytes(b'schema = 1\nname = "\xff"\n')
    with pytest.raises(BoardflashError) as caught:
        load_board("acme.toml")
    assert str(caught.value) == "acme.toml:2: not UTF-8, as TOML has to be"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 20_000, "acme.toml: TOML syntax: nested too deeply"),
        ("a = " + "9" * 5_000, "acme.toml: TOML syntax: "),
        ("a = 2026-02-30", "acme.toml:1:5: TOML syntax: invalid date or datetime"),
    ],
    ids=["nesting", "digits", "date"],
)
def test_hostile_toml(complaint: Load, text: str, message: str) -> None:
    assert complaint(text).startswith(message)


def test_a_folder_in_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("acme.toml").mkdir()
    with pytest.raises(BoardflashError) as caught:
        load_board("acme.toml")
    assert str(caught.value) == "acme.toml: is a folder, not a file"


def test_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BoardflashError) as caught:
        load_board("boards/acme.toml")
    assert str(caught.value) == "boards/acme.toml: no such file"


def test_an_unknown_board_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(BoardflashError) as caught:
        load_board("stm32f746g-disc")
    assert str(caught.value) == 'board "stm32f746g-disc": unknown board; did you mean "stm32f746g-disco"?'


def test_an_unknown_board_like_no_other_is_answered_with_the_list() -> None:
    with pytest.raises(BoardflashError) as caught:
        load_board("zzz")
    assert str(caught.value) == (
        'board "zzz": unknown board; known are acme-panel, daisy-seed, stm32f746g-disco, stm32f7508-dk, '
        "weact-h743, weact-h750"
    )


def test_a_folder_of_the_board_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError) as caught:
        load_board("stm32f746g-disco", [tmp_path / "nowhere"])
    assert str(caught.value) == f"BOARDPATH: {tmp_path / 'nowhere'}: no such folder"
