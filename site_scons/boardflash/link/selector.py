"""What `PROBE=` may say, and how the probe that it names is reached.

801012345                 the J-Link with this serial number, on USB
usb:1-2.3                 the J-Link in this USB port (Linux: the name under /sys/bus/usb/devices)
ip:HOST or ip:HOST:PORT   a J-Link on the network, or behind SEGGER's J-Link Remote Server
tunnel:SERIAL             a J-Link behind a J-Link Remote Server in SEGGER's tunnel mode
sim or sim:SERIAL         a simulated board
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from boardflash.errors import BoardflashError, ExitCode

#: What SEGGER's J-Link Remote Server listens on, and pylink's default for a tunnel.
NETWORK_PORT = 19020

FORMS = (
    "a J-Link's serial number, usb:PATH, ip:HOST, ip:HOST:PORT, tunnel:SERIAL, or sim, or sim:SERIAL"
    " for a simulated board"
)
_USB_PATH = re.compile(r"[0-9]+-[0-9]+(\.[0-9]+)*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Selector:
    """One probe, as it was asked for; `kind` is one of only, serial, usb, ip, tunnel, sim."""

    kind: str
    value: str = ""  # digits, a USB path, a host; empty for `only` and for the board's own simulated one
    port: int = NETWORK_PORT

    @property
    def key(self) -> str:
        """A name for folders and locks. A tunnel is one more way to the probe of that serial number."""
        if self.kind in ("serial", "tunnel"):
            return str(int(self.value))
        if self.kind == "sim":
            return f"sim-{int(self.value)}" if self.value else "sim"
        if self.kind == "ip":
            return f"ip-{self.value}-{self.port}"
        return f"usb-{self.value}" if self.kind == "usb" else "the-only-probe"

    def __str__(self) -> str:
        if self.kind == "ip":
            return f"ip:{self.value}:{self.port}"
        if self.kind in ("serial", "only"):
            return self.value
        return f"{self.kind}:{self.value}" if self.value else self.kind


def parse(text: str | None) -> Selector:
    """`PROBE=text`; BoardflashError with NO_PROBE for what is none of `FORMS`."""
    text = text or ""
    if not text:
        return Selector("only")
    if text.isdecimal():
        return Selector("serial", text)
    kind, colon, value = text.partition(":")
    if kind == "sim" and (value or not colon):
        if value and (not value.isdecimal() or not 0 < int(value) < 1 << 31):
            raise _refused(text, "a serial number is a decimal number, as a J-Link's is")
        return Selector("sim", value)
    if kind == "usb":
        if not _USB_PATH.fullmatch(value):
            raise _refused(text, "a USB path is like 1-2.3, as the folders in /sys/bus/usb/devices are named")
        return Selector("usb", value)
    if kind == "tunnel":
        if not value.isdecimal():
            raise _refused(text, "a tunnel is named by the J-Link's serial number, tunnel:801012345")
        return Selector("tunnel", value)
    if kind == "ip":
        host, colon, port = value.partition(":")
        number = int(port) if port.isdecimal() else 0
        if not _HOST.fullmatch(host) or (colon and not 0 < number < 1 << 16):
            raise _refused(text, "give a host's name or address, and a port if it is not 19020: ip:HOST:PORT")
        return Selector("ip", host, number or NETWORK_PORT)
    raise _refused(text, f"not a probe; give {FORMS}")


def _refused(text: str, what: str) -> BoardflashError:
    return BoardflashError(what, where=f"PROBE={text}", code=ExitCode.NO_PROBE)
