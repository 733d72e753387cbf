"""The boards that we ship, boards of other repositories, and the digest of what a board file means."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boardflash.description.load import (
    board_digest,
    board_facts,
    board_path_from_environment,
    list_boards,
    list_chips,
    load_board,
    load_chip,
    load_mcu,
)
from boardflash.description.model import QuadEnable
from boardflash.description.regions import erase_units
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir

DISCO = (data_dir("boards") / "stm32f746g-disco.toml").read_text(encoding="utf-8")


def own_board(folder: Path, text: str = DISCO, name: str = "own") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text.replace('"stm32f746g-disco"', f'"{name}"'), encoding="utf-8")
    return path


def test_every_shipped_board_chip_and_die_loads() -> None:
    boards = list_boards()
    assert {"stm32f746g-disco", "acme-panel", "weact-h743"} <= {entry.name for entry in boards}
    for entry in boards:
        board = load_board(entry.name)
        assert (board.name, board.title, board.file) == (entry.name, entry.title, entry.file)
        assert board.file == f"boards/{entry.name}.toml"
    assert {load_chip(name).name for name in list_chips()} == set(list_chips())


def test_the_discovery_board_is_what_its_maker_says() -> None:
    board = load_board("stm32f746g-disco")
    assert board.part.number == board.part.jlink_device == "STM32F746NG"
    assert (board.part.pattern, board.part.package) == ("STM32F746NGHx", "TFBGA216")
    assert board.mcu.device_id == 0x449
    assert board.qspi is not None
    assert {(use.signal, use.pin, use.function) for use in board.qspi.pins} == {
        ("clk", "PB2", 9),
        ("ncs", "PB6", 10),
        ("io0", "PD11", 9),
        ("io1", "PD12", 9),
        ("io2", "PE2", 9),
        ("io3", "PD13", 9),
    }
    assert [chip.name for chip in board.qspi.chips] == ["n25q128a13", "w25q128jv"]
    internal, qspi = board.regions
    assert (internal.base, internal.size, internal.granule) == (0x0800_0000, 1 << 20, 32768)
    assert [unit.address for unit in erase_units(internal)] == [
        0x0800_0000,
        0x0800_8000,
        0x0801_0000,
        0x0801_8000,
        0x0802_0000,
        0x0804_0000,
        0x0808_0000,
        0x080C_0000,
    ]
    assert erase_units(internal)[-1].end == internal.end
    assert (qspi.base, qspi.size, qspi.granule) == (0x9000_0000, 16 << 20, 4096)
    assert len(erase_units(qspi)) == 4096


def test_the_two_chips_of_the_discovery_board_differ_where_their_data_sheets_do() -> None:
    micron, winbond = load_chip("n25q128a13"), load_chip("w25q128jv")
    assert (micron.read.mode_cycles, micron.read.dummy_cycles) == (0, 10)
    assert (winbond.read.mode_cycles, winbond.read.mode_value, winbond.read.dummy_cycles) == (2, 0xFF, 4)
    assert (micron.quad_enable, winbond.quad_enable) == (QuadEnable.NONE, QuadEnable.S2B1V4)
    assert winbond.jedec_ids == (b"\xef\x40\x18", b"\xef\x70\x18")
    assert [erase.size for erase in micron.erases] == [4096, 65536]
    assert [erase.size for erase in winbond.erases] == [4096, 32768, 65536]
    assert micron.flag_status and not winbond.flag_status
    assert [entry.subject for entry in micron.assumptions] == ["n25q128a13 erase.4096.typ_ms"]


def test_the_clock_of_the_f746_follows_from_its_dividers() -> None:
    clock = load_mcu("stm32f746").clock
    values = clock.values
    assert (
        values["hsi_hz"] // values["pll_m"] * values["pll_n"] // values["pll_p"]
        == clock.hclk_hz
        == 168_000_000
    )


def test_the_clock_of_the_h743_follows_from_its_dividers() -> None:
    clock = load_mcu("stm32h743").clock
    values = clock.values
    assert values["hsi_hz"] // values["pll_m"] * values["pll_n"] // values["pll_p"] == clock.hclk_hz


def test_a_die_that_nothing_simulates_says_so() -> None:
    assert load_board("stm32f746g-disco").mcu.simulated
    assert not load_board("weact-h743").mcu.simulated


def test_a_part_with_less_flash_ends_earlier() -> None:
    internal = load_board("stm32f7508-dk").region("internal")
    assert (internal.size, [(run.size, run.count) for run in internal.sectors]) == (65536, [(32768, 2)])


def test_internal_flash_can_be_restricted(tmp_path: Path) -> None:
    internal = load_board(own_board(tmp_path, DISCO + "\n[internal]\nsize = 131_072\n")).region("internal")
    assert (internal.size, [(run.size, run.count) for run in internal.sectors]) == (131072, [(32768, 4)])


def test_a_board_without_qspi_has_one_region(tmp_path: Path) -> None:
    board = load_board(own_board(tmp_path, DISCO[: DISCO.index("[qspi]")]))
    assert board.qspi is None
    assert [region.name for region in board.regions] == ["internal"]


def test_protected_ranges_stand_in_their_regions(tmp_path: Path) -> None:
    text = DISCO + (
        '\n[[protect]]\nregion = "qspi"\naddress = 0x90FF_F000\nsize = 4096\n'
        '[[protect]]\nregion = "internal"\naddress = 0x0800_0000\nsize = 32768\n'
    )
    board = load_board(own_board(tmp_path, text))
    assert board.region("qspi").protect == ((0x90FF_F000, 4096),)
    assert board.region("internal").protect == ((0x0800_0000, 32768),)


def test_a_function_given_with_the_pin_is_accepted_when_right(tmp_path: Path) -> None:
    board = load_board(own_board(tmp_path, DISCO.replace('"PB6"', '"PB6/AF10"')))
    assert board.qspi == load_board("stm32f746g-disco").qspi


def test_two_data_pins_are_enough_for_a_chip_used_on_two_lines(tmp_path: Path) -> None:
    text = DISCO.replace(', io2 = "PE2", io3 = "PD13"', "").replace('"n25q128a13", ', "")
    text += (
        "\n[qspi.chip.w25q128jv]\nread.lines = '1-2-2'\nread.opcode = 0xBB\nread.mode_cycles = 4\n"
        "read.dummy_cycles = 0\nprogram.lines = '1-1-1'\nprogram.opcode = 2\n"
    )
    board = load_board(own_board(tmp_path, text))
    assert board.qspi is not None
    assert [use.signal for use in board.qspi.pins] == ["clk", "ncs", "io0", "io1"]


def test_an_override_changes_the_chip_and_is_recorded_with_the_old_value(tmp_path: Path) -> None:
    text = DISCO + "\n[qspi.chip.w25q128jv]\nread.dummy_cycles = 6\npage_size = 256\n"
    board = load_board(own_board(tmp_path, text))
    assert board.qspi is not None
    assert board.qspi.chips[1].read.dummy_cycles == 6
    assert board.overrides == ("qspi.chip.w25q128jv.read.dummy_cycles = 6 (chip file: 4)",)


def test_an_override_takes_the_place_of_an_assumption(tmp_path: Path) -> None:
    text = DISCO + "\n[qspi.chip.n25q128a13.erase.4096]\ntyp_ms = 300\n"
    board = load_board(own_board(tmp_path, text))
    assert board.qspi is not None
    assert board.qspi.chips[0].erases[0].typ_ms == 300
    assert board.qspi.chips[0].assumptions == ()
    assert board.overrides == ("qspi.chip.n25q128a13.erase.4096.typ_ms = 300 (assumed: 250)",)


def test_an_override_that_adds_a_value_says_so(tmp_path: Path) -> None:
    text = DISCO + "\n[qspi.chip.w25q128jv]\nflag_status = true\n"
    assert load_board(own_board(tmp_path, text)).overrides == (
        "qspi.chip.w25q128jv.flag_status = true (chip file: not given)",
    )


def test_a_default_probe_speed_is_an_assumption(tmp_path: Path) -> None:
    board = load_board(own_board(tmp_path, DISCO.replace("speed_khz = 4000", "")))
    assert [(entry.subject, entry.value) for entry in board.assumptions] == [("probe.speed_khz", "4000")]


def test_the_digest_ignores_comments_order_and_folder(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    text = "# a remark\n" + DISCO.replace("bank  = 1", "").replace("[qspi]", "[qspi]\nbank = 0x1 # the first")
    first, second = load_board(own_board(tmp_path)), load_board(own_board(other, text))
    assert board_digest(first) == board_digest(second)
    assert first.file != second.file


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("speed_khz = 4000", "speed_khz = 2000"),
        ("90_000_000", "80_000_000"),
        ('"n25q128a13", "w25q128jv"', '"w25q128jv", "n25q128a13"'),
        ('io2 = "PE2"', 'io2 = "PF7"'),
        ("STM32F746NG", "STM32F756NG"),
    ],
)
def test_the_digest_knows_every_fact(tmp_path: Path, old: str, new: str) -> None:
    assert DISCO.count(old) == 1
    changed = board_digest(load_board(own_board(tmp_path, DISCO.replace(old, new))))
    assert changed != board_digest(load_board(own_board(tmp_path)))


def test_facts_are_plain_json_without_paths(tmp_path: Path) -> None:
    text = json.dumps(board_facts(load_board(own_board(tmp_path))), sort_keys=True)
    assert str(tmp_path) not in text and ".toml" not in text
    assert json.loads(text)["qspi"]["chips"][0]["jedec_ids"] == ["20 BA 18"]


def test_a_board_of_another_repository_uses_our_chips_and_dies(tmp_path: Path) -> None:
    own_board(tmp_path)
    board = load_board("own", [tmp_path])
    assert board.qspi is not None
    assert board.qspi.chips[0].file == "boards/chips/n25q128a13.toml"
    assert "own" in {entry.name for entry in list_boards([tmp_path])}
    assert "own" not in {entry.name for entry in list_boards()}


def test_other_toml_files_in_the_board_path_are_no_boards(tmp_path: Path) -> None:
    own_board(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    names = {entry.name for entry in list_boards([tmp_path])}
    assert "own" in names and "pyproject" not in names


def test_a_board_path_may_bring_chips_that_hide_ours(tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()
    ours = (data_dir("boards") / "chips" / "w25q128jv.toml").read_text(encoding="utf-8")
    (tmp_path / "chips" / "w25q128jv.toml").write_text(
        ours.replace("max_ms = 400", "max_ms = 500"), encoding="utf-8"
    )
    own_board(tmp_path)
    by_name, by_path = load_board("own", [tmp_path]), load_board(tmp_path / "own.toml")
    for board in (by_name, by_path):
        assert board.qspi is not None
        assert board.qspi.chips[1].erases[0].max_ms == 500


def test_the_first_folder_of_the_board_path_wins(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder, speed in ((near, "1000"), (far, "2000")):
        folder.mkdir()
        own_board(folder, DISCO.replace("speed_khz = 4000", f"speed_khz = {speed}"))
    assert load_board("own", [near, far]).probe.speed_khz == 1000


def test_the_board_path_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDPATH", os.pathsep.join([str(tmp_path), "", "boards"]))
    assert board_path_from_environment() == (tmp_path, Path("boards"))
    monkeypatch.delenv("BOARDPATH")
    assert board_path_from_environment() == ()


def own_chip(folder: Path, ours: str, *changes: tuple[str, str]) -> None:
    """A chip file `own` beside the boards of `folder`, made of one of ours."""
    text = (data_dir("boards") / "chips" / f"{ours}.toml").read_text(encoding="utf-8")
    for old, new in (*changes, (f'"{ours}"', '"own"')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "chips").mkdir()
    (folder / "chips" / "own.toml").write_text(text, encoding="utf-8")


def test_alternates_that_answer_the_same_id_are_refused(tmp_path: Path) -> None:
    own_chip(tmp_path, "w25q128jv", ('"EF 70 18"', '"EF 60 18"'))
    path = own_board(tmp_path, DISCO.replace('"n25q128a13"', '"own"'))
    with pytest.raises(BoardflashError) as caught:
        load_board(path)
    assert caught.value.message == "own and w25q128jv answer the same ID EF 40 18; nothing tells them apart"


def test_a_longer_id_with_the_same_beginning_is_another_chip(tmp_path: Path) -> None:
    board = load_board(own_board(tmp_path, DISCO.replace('"w25q128jv"', '"mt25ql128aba"')))
    assert board.qspi is not None
    assert [[jedec.hex() for jedec in chip.jedec_ids] for chip in board.qspi.chips] == [
        ["20ba18"],
        ["20ba18104400", "20ba18104000"],
    ]


@pytest.mark.parametrize("name", ["mt25ql128aba", "mt25ql256aba"])
def test_mt25q_is_known_with_and_without_its_reset_pin(tmp_path: Path, name: str) -> None:
    """Byte 5: bit 6 = second generation, bit 2 = extra RESET# pin; N25Q has 00 there."""
    board = load_board(own_board(tmp_path, DISCO.replace('"n25q128a13", "w25q128jv"', f'"{name}"')))
    assert board.qspi is not None
    (chip,) = board.qspi.chips
    assert {jedec[4] for jedec in chip.jedec_ids} == {0x40, 0x44}
    assert all(len(jedec) == 6 and jedec[3] == 0x10 and jedec[5] == 0 for jedec in chip.jedec_ids)


def test_the_granule_is_the_smallest_unit_that_every_alternate_erases(tmp_path: Path) -> None:
    own_chip(
        tmp_path,
        "n25q128a13",
        ("  { size = 4096,  opcode = 0x20, max_ms = 800 },", ""),
        ('"erase.4096.typ_ms"', '"sfdp_sha256"'),
        ("value = 250", 'value = ""'),
    )
    region = load_board(own_board(tmp_path, DISCO.replace('"n25q128a13"', '"own"'))).region("qspi")
    assert (region.granule, region.sectors[0].count) == (65536, 256)
    assert (region.sectors[0].erase_typ_ms, region.sectors[0].erase_max_ms) == (700, 3000)
