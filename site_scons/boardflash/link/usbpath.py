"""The serial number of the J-Link in a USB port, from Linux's sysfs.

Labs pass on the port that a probe is plugged into, not its serial number (labgrid's exporter: `path`).
Documentation/ABI/testing/sysfs-bus-usb: the folder of a device is named BUS-PORT.PORT..., and has the files
idVendor, product and serial.
"""

from __future__ import annotations

from pathlib import Path

from boardflash.errors import BoardflashError, ExitCode

DEVICES = Path("/sys/bus/usb/devices")
SEGGER = "1366"  # USB vendor ID, also of J-Link firmware on other probes


def serial_at(path: str, devices: Path | None = None) -> str:
    """The serial number without leading zeros, as it is printed on the probe."""
    root = devices or DEVICES
    where = f"PROBE=usb:{path}"
    if not root.is_dir():
        raise _error("this machine has no /sys/bus/usb; name the probe by its serial number", where)
    folder = root / path
    if not folder.is_dir():
        raise _error(f"nothing is plugged in there; {_known(root)}", where)
    if _read(folder, "idVendor").lower() != SEGGER:
        name = _read(folder, "product") or "a device without a name"
        raise _error(f"no J-Link is plugged in there, but {name}; {_known(root)}", where)
    serial = _read(folder, "serial")
    if not serial.isdecimal():
        raise _error(f'the J-Link there has the serial number "{serial}"; a decimal one is needed', where)
    return str(int(serial))


def _known(root: Path) -> str:
    """The J-Links that there are, by path."""
    found = [
        f"usb:{folder.name} is {_read(folder, 'serial').lstrip('0')} ({_read(folder, 'product') or 'J-Link'})"
        for folder in sorted(root.iterdir())
        if _read(folder, "idVendor").lower() == SEGGER
    ]
    return "J-Links: " + (", ".join(found) or "none")


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _error(what: str, where: str) -> BoardflashError:
    return BoardflashError(what, where=where, code=ExitCode.NO_PROBE)
