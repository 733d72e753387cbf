"""The `jlink` format: a JLinkDevices folder with the QSPI chip's loader, Commander script, J-Flash projects.

Devices.xml as wiki.segger.com/J-Link_Device_Support_Kit has it: one <Device> of the name that the DLL knows
the MCU by, so that its own way of connecting and its internal flash stay; the path of the loader is relative
to the XML.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from boardflash.description.model import Board

from .flm import SEGGER, TURBO, VERIFY, flm_workshop
from .formats import ExportRequest
from .storage import Storage, internal_storage, qspi_storage, require_qspi

VENDOR = "ST"
DEVICES = "Devices.xml"
CORES = {"cortex-m7": "JLINK_CORE_CORTEX_M7"}
IMAGE = "app.hex"  # what the Commander script writes; the user's
SWD = 1  # J-Flash's number of the interface
ERASE_SECTORS, VERIFY_CRC = 1, 1
QSPI_BANK = "QSPI flash"
INTERNAL_BANK = "Internal flash"  # the DLL's name of it


def names(board: Board) -> tuple[str, ...]:
    require_qspi(board)
    folder = f"JLinkDevices/{VENDOR}/{board.name}"
    return (
        f"{folder}/{DEVICES}",
        f"{folder}/{board.name}.FLM",
        f"{board.name}.jlink",
        f"{board.name}.jflash",
        f"{board.name}-internal.jflash",
    )


def write(request: ExportRequest) -> None:
    board, storage = request.board, qspi_storage(request.board)
    devices, loader, script, qspi, internal = (request.folder / name for name in names(board))
    with flm_workshop(board, storage) as flm:
        flm.make(loader, VERIFY, SEGGER, TURBO)
    devices.write_text(devices_xml(board, storage, loader.name), encoding="utf-8")
    script.write_text(commander_script(board), encoding="utf-8")
    qspi.write_text(jflash_project(board, storage, QSPI_BANK), encoding="utf-8")
    internal.write_text(jflash_project(board, internal_storage(board), INTERNAL_BANK), encoding="utf-8")


def devices_xml(board: Board, storage: Storage, loader: str) -> str:
    device = quoteattr(board.part.jlink_device)
    return f"""\
<Database>
  <Device>
    <ChipInfo Vendor="{VENDOR}" Name={device} Core="{CORES[board.mcu.core]}" />
    <FlashBankInfo Name={quoteattr(QSPI_BANK)} BaseAddr="{storage.base:#010x}" AlwaysPresent="1">
      <LoaderInfo Name={quoteattr(board.name)} MaxSize="{storage.size:#010x}" Loader={quoteattr(loader)} \
LoaderType="FLASH_ALGO_TYPE_OPEN" />
    </FlashBankInfo>
  </Device>
</Database>
"""


def commander_script(board: Board) -> str:
    """Commands of wiki.segger.com/J-Link_Commander."""
    return f"""\
ExitOnError 1
Device {board.part.jlink_device}
SelectInterface {board.probe.interface.upper()}
Speed {board.probe.speed_khz}
Connect
Reset
Halt
LoadFile {IMAGE}
Reset
Go
Exit
"""


def jflash_project(board: Board, storage: Storage, bank: str) -> str:
    """A project of one bank: the keys are those of projects of one bank that J-Flash 7 has written.

    How it names the keys of a second bank no public project shows, so each memory has a project of its own.
    """
    last_sector = sum(run.count for run in storage.sectors) - 1
    sections: dict[str, dict[str, int | str]] = {
        "GENERAL": {"ConnectMode": 0, "CurrentFile": '""', "GUIMode": 0, "HostName": '""', "TargetIF": SWD},
        "JTAG": {"Speed0": board.probe.speed_khz, "Speed1": board.probe.speed_khz},
        "CPU": {
            "NumInitSteps": 1,
            "InitStep0_Action": '"Reset"',
            "InitStep0_Value0": "0x00000000",
            "InitStep0_Value1": "0x00000000",
            "InitStep0_Comment": '"Reset and halt target"',
            "NumExitSteps": 0,
            "UseScriptFile": 0,
            "ScriptFile": '""',
            "UseRAM": 1,
            "RAMAddr": f"{board.mcu.ram_base:#010x}",
            "RAMSize": f"{board.mcu.ram_size:#010x}",
            "CheckCoreID": 0,
            "EndianMode": 0,
            "ChipName": f'"{VENDOR} {board.part.jlink_device}"',
        },
        "FLASH": {
            "aRangeSel[1]": f"0-{last_sector}",
            "BankName": f'"{bank}"',
            "BankSelMode": 1,
            "BaseAddr": f"{storage.base:#010x}",
            "NumBanks": 1,
        },
        "PRODUCTION": {
            "AutoPerformsDisconnect": 0,
            "AutoPerformsErase": 1,
            "AutoPerformsProgram": 1,
            "AutoPerformsSecure": 0,
            "AutoPerformsStartApp": 0,
            "AutoPerformsUnsecure": 0,
            "AutoPerformsVerify": 1,
            "EraseType": ERASE_SECTORS,
            "VerifyType": VERIFY_CRC,
        },
    }
    lines = ["  AppVersion =", "  FileVersion = 2"]
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"  {key} = {value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
