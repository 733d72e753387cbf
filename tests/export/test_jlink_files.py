"""What J-Link reads beside the loader: the device database, the Commander script, the J-Flash projects."""

from __future__ import annotations

import configparser
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from boardflash.description.load import list_boards, load_board
from boardflash.export.formats import ExportRequest, export, format_named
from export.export_rig import BOARD, exported
from export.plain_elf import PlainElf

FOLDER = f"JLinkDevices/ST/{BOARD}"


def test_devices_xml_names_the_builtin_device_and_a_loader_that_is_there() -> None:
    path = exported("jlink") / FOLDER / "Devices.xml"
    root = ElementTree.parse(path).getroot()
    assert root.tag == "Database"
    (device,) = root
    (chip,), banks = device.findall("ChipInfo"), device.findall("FlashBankInfo")
    assert chip.attrib == {"Vendor": "ST", "Name": "STM32F746NG", "Core": "JLINK_CORE_CORTEX_M7"}
    (bank,) = banks
    assert bank.attrib == {"Name": "QSPI flash", "BaseAddr": "0x90000000", "AlwaysPresent": "1"}
    (loader,) = bank
    assert loader.tag == "LoaderInfo"
    assert loader.attrib["LoaderType"] == "FLASH_ALGO_TYPE_OPEN"
    assert int(loader.attrib["MaxSize"], 16) == 16 << 20
    found = path.parent / loader.attrib["Loader"]
    assert found.is_file()
    assert int.from_bytes(PlainElf(found).at_symbol("FlashDevice", 136)[132:], "little") == 0x90000000


def test_the_name_of_every_shipped_board_is_the_one_that_we_connect_with(tmp_path: Path) -> None:
    for entry in list_boards():
        board = load_board(entry.name)
        made = export(format_named("jlink"), ExportRequest(board, tmp_path / board.name))
        chip = ElementTree.parse(made[0]).getroot().find("Device/ChipInfo")
        assert chip is not None and chip.attrib["Name"] == board.part.jlink_device


def test_commander_script_connects_as_the_board_file_says_and_stops_at_an_error() -> None:
    lines = (exported("jlink") / f"{BOARD}.jlink").read_text().splitlines()
    assert lines[0] == "ExitOnError 1"
    assert lines[1:5] == ["Device STM32F746NG", "SelectInterface SWD", "Speed 4000", "Connect"]
    assert "LoadFile app.hex" in lines
    assert lines[-1] == "Exit"


def test_jflash_projects_name_one_bank_each() -> None:
    for suffix, bank, base, sectors in (
        ("", "QSPI flash", 0x90000000, "0-255"),
        ("-internal", "Internal flash", 0x08000000, "0-7"),
    ):
        text = (exported("jlink") / f"{BOARD}{suffix}.jflash").read_text()
        project = configparser.ConfigParser()
        project.read_string("[HEAD]\n" + text)
        assert project["CPU"]["ChipName"] == '"ST STM32F746NG"'
        assert project["FLASH"]["BankName"] == f'"{bank}"'
        assert int(project["FLASH"]["BaseAddr"], 16) == base
        assert project["FLASH"]["aRangeSel[1]"] == sectors
        assert project["FLASH"]["NumBanks"] == "1"
        assert project["PRODUCTION"]["AutoPerformsUnsecure"] == "0"
