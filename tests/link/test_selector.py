"""What PROBE= may say, on the command line and in SCons alike, and what each form is called elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.errors import BoardflashError, ExitCode
from boardflash.link.selector import Selector, parse
from boardflash.link.usbpath import serial_at
from boardflash.scons_request import read_request


@pytest.mark.parametrize(
    ("text", "selector", "key"),
    [
        (None, Selector("only"), "the-only-probe"),
        ("", Selector("only"), "the-only-probe"),
        ("801012345", Selector("serial", "801012345"), "801012345"),
        ("000801012345", Selector("serial", "000801012345"), "801012345"),
        ("tunnel:801012345", Selector("tunnel", "801012345"), "801012345"),
        ("sim", Selector("sim"), "sim"),
        ("sim:042", Selector("sim", "042"), "sim-42"),
        ("ip:192.168.1.5", Selector("ip", "192.168.1.5", 19020), "ip-192.168.1.5-19020"),
        (
            "ip:lab-3.example.org:19021",
            Selector("ip", "lab-3.example.org", 19021),
            "ip-lab-3.example.org-19021",
        ),
        ("usb:1-2.3", Selector("usb", "1-2.3"), "usb-1-2.3"),
        ("usb:3-1", Selector("usb", "3-1"), "usb-3-1"),
    ],
)
def test_the_forms(text: str | None, selector: Selector, key: str) -> None:
    assert parse(text) == selector
    assert parse(text).key == key
    assert parse(str(selector)) == selector


NOT_A_PROBE = (
    "not a probe; give a J-Link's serial number, usb:PATH, ip:HOST, ip:HOST:PORT, tunnel:SERIAL, or sim,"
    " or sim:SERIAL for a simulated board"
)
SERIAL = "a serial number is a decimal number, as a J-Link's is"
USB = "a USB path is like 1-2.3, as the folders in /sys/bus/usb/devices are named"
TUNNEL = "a tunnel is named by the J-Link's serial number, tunnel:801012345"
ADDRESS = "give a host's name or address, and a port if it is not 19020: ip:HOST:PORT"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("simm", NOT_A_PROBE),
        ("1;reboot", NOT_A_PROBE),
        ("sim:", NOT_A_PROBE),
        ("SIM", NOT_A_PROBE),
        ("sim:0", SERIAL),
        ("sim:2147483648", SERIAL),
        ("sim:../x", SERIAL),
        ("usb:", USB),
        ("usb:1", USB),
        ("usb:../1-2", USB),
        ("usb:1-2.", USB),
        ("tunnel:", TUNNEL),
        ("tunnel:name", TUNNEL),
        ("ip:", ADDRESS),
        ("ip:host:", ADDRESS),
        ("ip:host:0", ADDRESS),
        ("ip:host:65536", ADDRESS),
        ("ip:host:port", ADDRESS),
        ("ip:a b", ADDRESS),
        ("ip:$(reboot)", ADDRESS),
        ("ip:-host", ADDRESS),
    ],
)
def test_what_is_none_of_them(text: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        parse(text)
    assert str(caught.value) == f"PROBE={text}: {message}"
    assert caught.value.code == ExitCode.NO_PROBE
    with pytest.raises(BoardflashError) as caught:
        read_request({"PROBE": text}, ["flash"], question=False)
    assert str(caught.value) == f"PROBE={text.strip()}: {message}"


def test_scons_takes_them_all() -> None:
    probes = "801012345,ip:lab:19021,tunnel:5,usb:1-2.3,sim:7"
    assert read_request({"PROBE": probes}, ["flash"], question=False).probes == tuple(probes.split(","))


# usb:PATH


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    devices = tmp_path / "devices"
    for path, vendor, product, serial in (
        ("1-2", "1d6b", "hub", ""),
        ("1-2.3", "1366", "J-Link", "000801012345"),
        ("1-2.4", "1366", "J-Link OB", "779999999"),
        ("2-1", "0483", "STM32 STLink", "0671FF"),
        ("2-2", "1366", "J-Link", "ABC"),
    ):
        folder = devices / path
        folder.mkdir(parents=True)
        (folder / "idVendor").write_text(vendor + "\n")
        (folder / "product").write_text(product + "\n")
        if serial:
            (folder / "serial").write_text(serial + "\n")
    (devices / "1-0:1.0").mkdir()  # an interface has none of these files
    return devices


def test_the_serial_number_of_what_is_plugged_in_there(sysfs: Path) -> None:
    assert serial_at("1-2.3", sysfs) == "801012345"
    assert serial_at("1-2.4", sysfs) == "779999999"


KNOWN = "usb:1-2.3 is 801012345 (J-Link), usb:1-2.4 is 779999999 (J-Link OB), usb:2-2 is ABC (J-Link)"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("1-7", f"nothing is plugged in there; J-Links: {KNOWN}"),
        ("2-1", f"no J-Link is plugged in there, but STM32 STLink; J-Links: {KNOWN}"),
        ("2-2", 'the J-Link there has the serial number "ABC"; a decimal one is needed'),
    ],
)
def test_what_is_plugged_in_elsewhere(sysfs: Path, path: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        serial_at(path, sysfs)
    assert str(caught.value) == f"PROBE=usb:{path}: {message}"
    assert caught.value.code == ExitCode.NO_PROBE


def test_a_machine_without_sysfs(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError) as caught:
        serial_at("1-2", tmp_path / "none")
    assert str(caught.value) == (
        "PROBE=usb:1-2: this machine has no /sys/bus/usb; name the probe by its serial number"
    )
