"""Which format a file has, by its contents: those that are taken, and those that are only known by name.

A text format is known by its first lines, a binary one by its magic numbers (as file(1) has them). A file of
a known format that carries its own addresses is never taken for raw bytes, whatever its name is.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from boardflash.image.elf import load_elf
from boardflash.image.hexfile import load_hex
from boardflash.image.model import Contents
from boardflash.image.srec import load_srec
from boardflash.image.text import UTF8_BOM
from boardflash.image.titxt import load_ti_txt
from boardflash.image.uf2 import MAGIC_START, load_uf2

_HEAD_BYTES = 1024
_UF2_MAGIC = b"".join(word.to_bytes(4, "little") for word in MAGIC_START)
_DFU_SUFFIX_BYTES = 16  # USB DFU 1.1, appendix B
_TAR_MAGIC_AT = 257
_CPU_X86, _CPU_ARM, _CPU_64_BIT = 7, 12, 1 << 24  # mach/machine.h
_MOST_PROGRAMS = 8  # in one Mach-O file; a Java class has its version there, 45 and up

Load = Callable[[Path, bytes, str], Contents]  # path for messages, contents, part number of the MCU or ""


@dataclass(frozen=True)
class Look:
    """A file's contents, and the text that they begin with."""

    data: bytes
    text: str
    lines: tuple[str, ...]  # of the text, whole and not blank
    is_text: bool  # as far as was looked

    @classmethod
    def at(cls, data: bytes) -> Look:
        head = data[:_HEAD_BYTES].removeprefix(UTF8_BOM)
        text, is_text = _text_in(head, "utf-8", len(data) <= _HEAD_BYTES)
        found = text.splitlines()
        if found and not (is_text and (len(found) == 1 or len(data) <= _HEAD_BYTES)):
            found.pop()  # cut off
        return cls(data, text, tuple(line.strip() for line in found if line.strip()), is_text)

    def first_is(self, pattern: str) -> bool:
        return bool(self.lines) and re.fullmatch(pattern, self.lines[0]) is not None

    def begins(self, *magics: bytes) -> bool:
        return self.data.startswith(magics)


Sign = Callable[[Look], bool]


@dataclass(frozen=True)
class Kind:
    """One format. `advice` says what to do with a file that can't be taken as it is named."""

    name: str
    sign: Sign
    advice: str  # where it has a `load`: for one that was given an address
    load: Load | None = None
    raw: bool = False  # may be stored as it is: contents that a firmware reads, at an address that is given
    suffixes: tuple[str, ...] = ()


def kind_of(data: bytes) -> Kind | None:
    """The format of a file with these contents; None for raw bytes."""
    look = Look.at(data)
    return next((kind for kind in KINDS if kind.sign(look)), None)


def kind_meant(path: Path, data: bytes) -> Kind | None:
    """The format that a file's name or its first character promises: its reader can say what is wrong."""
    first = data[:_HEAD_BYTES].removeprefix(UTF8_BOM).lstrip()[:1]
    return kind_named(path) or (INTEL_HEX if first == b":" else None)


def kind_named(path: Path) -> Kind | None:
    """The format that a file's name promises."""
    return next((kind for kind in KINDS if path.suffix.lower() in kind.suffixes), None)


def _load_elf(path: Path, data: bytes, part: str) -> Contents:
    return load_elf(path, data)


def _load_hex(path: Path, data: bytes, part: str) -> Contents:
    return Contents(load_hex(path, data))


def _load_srec(path: Path, data: bytes, part: str) -> Contents:
    return Contents(load_srec(path, data))


def _load_ti_txt(path: Path, data: bytes, part: str) -> Contents:
    return Contents(load_ti_txt(path, data))


def _magic(*magics: bytes) -> Sign:
    return lambda look: look.begins(*magics)


def _first_line(pattern: str) -> Sign:
    return lambda look: look.first_is(pattern)


def _text(*beginnings: str) -> Sign:
    return lambda look: look.text.lstrip().lower().startswith(beginnings)


_PAIRS = r"[0-9A-Fa-f]{2}(?: +[0-9A-Fa-f]{2}){0,15}"


def _is_ti_txt(look: Look) -> bool:
    """Lines of up to 16 bytes below an address; without the `q` it may be Verilog hex as well."""
    if not look.lines:
        return False
    ended = look.data[-64:].rstrip(b"\x1a \t\r\n").lower().endswith((b"\nq", b"\rq"))
    if ended:
        return look.first_is(rf"@[0-9A-Fa-f]+|{_PAIRS}")
    # What objcopy writes for Verilog has 8 digits; an address of TI-TXT has no zeros in front of the fourth.
    below = look.lines[1] if len(look.lines) > 1 else ""
    return look.first_is(r"@[0-9A-Fa-f]{1,7}|@[1-9A-Fa-f][0-9A-Fa-f]{7}") and bool(
        re.fullmatch(_PAIRS, below)
    )


def _is_verilog(look: Look) -> bool:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", " ", look.text, flags=re.DOTALL)
    return re.match(r"\s*@[0-9A-Fa-f_]+\s+[0-9A-Fa-fxXzZ_]{2,}(?:\s|$)", code) is not None


def _is_plan(look: Look) -> bool:
    return look.text.lstrip().startswith("{") and b'"board_digest"' in look.data[: 1 << 20]


def _is_json(look: Look) -> bool:
    return re.match(r'\s*(?:\{\s*["}]|\[\s*["\[{\]0-9tfn-])', look.text) is not None


def _is_dfu(look: Look) -> bool:
    suffix = look.data[-_DFU_SUFFIX_BYTES:]
    return len(suffix) == _DFU_SUFFIX_BYTES and suffix[8:12] == b"UFD\x10"


def _is_pe(look: Look) -> bool:
    at = int.from_bytes(look.data[0x3C:0x40], "little")
    return look.begins(b"MZ") and look.data[at : at + 4] == b"PE\0\0"


def _is_mach_o(look: Look) -> bool:
    """Firmware has such magic numbers, too, so the word behind them counts: the CPU, or how many programs."""
    cpu = int.from_bytes(look.data[4:8], "little") & ~_CPU_64_BIT
    if look.begins(b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"):
        return cpu in (_CPU_X86, _CPU_ARM)
    return look.begins(b"\xca\xfe\xba\xbe") and 1 <= int.from_bytes(look.data[4:8], "big") <= _MOST_PROGRAMS


def _is_tar(look: Look) -> bool:
    return look.data[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"


def _is_utf16(look: Look) -> bool:
    if not look.begins(codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return False
    return _text_in(look.data[:_HEAD_BYTES], "utf-16", len(look.data) <= _HEAD_BYTES)[1]


def _text_in(head: bytes, encoding: str, whole: bool) -> tuple[str, bool]:
    """The text that `head` begins with, and whether that is all of it; a head may end within a character."""
    decoded = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head, whole)
    text = "".join(itertools.takewhile(_is_of_text, decoded))
    return text, bool(text) and len(text) == len(decoded)


def _is_of_text(character: str) -> bool:
    return (character.isprintable() or character in "\t\n\r\f\x1a") and character != "\ufffd"


_NAME_THE_SOURCE = "name the ELF or HEX that it was made from"
_UNPACK = "unpack it and name what is in it"
_STORE = "to store it as it is, say where: {name}@ADDRESS"
_MAKE_BIN = "make a BIN of it first"

INTEL_HEX = Kind(
    "Intel HEX",
    _first_line(r":[0-9A-Fa-f]{8,}"),
    f"{_MAKE_BIN} (objcopy -I ihex -O binary)",
    _load_hex,
    suffixes=(".hex", ".ihex", ".ihx"),
)
TEXT = Kind("text, but in no format that is taken", lambda look: look.is_text, _STORE, raw=True)

#: The first row that fits decides, so that a row stands before those that would take its files, too.
KINDS = (
    Kind(
        "ELF",
        _magic(b"\x7fELF"),
        f"{_MAKE_BIN} (objcopy -O binary)",
        _load_elf,
        suffixes=(".elf", ".axf", ".out"),
    ),
    Kind("UF2", _magic(_UF2_MAGIC), f"{_MAKE_BIN} (uf2conv.py)", load_uf2, suffixes=(".uf2",)),
    INTEL_HEX,
    Kind(
        "an S-record file",
        _first_line(r"S[0-9][0-9A-Fa-f]{8,}"),
        f"{_MAKE_BIN} (objcopy -I srec -O binary)",
        _load_srec,
        suffixes=(".s19", ".s28", ".s37", ".srec", ".srecord", ".mot", ".mhx"),
    ),
    Kind(
        "TI-TXT",
        _is_ti_txt,
        f"{_MAKE_BIN} (bincopy convert -i ti_txt -o binary)",
        _load_ti_txt,
    ),
    Kind("Verilog hex ($readmemh)", _is_verilog, _NAME_THE_SOURCE),
    Kind(
        "Tektronix hex",
        _first_line(r"%[0-9A-Fa-f]{2}[368][0-9A-Fa-f]{3}.*|/[0-9A-Fa-f]{8,}"),
        _NAME_THE_SOURCE,
    ),
    Kind("Atmel generic hex", _first_line(r"[0-9A-Fa-f]{6}:[0-9A-Fa-f]{4}"), _NAME_THE_SOURCE, raw=True),
    Kind(
        "a hex dump",
        _first_line(r"[0-9A-Fa-f]{7,8}:?(?:\s+[0-9A-Fa-f]{2,8})+(?:\s.*)?"),
        "make a BIN of it (xxd -r) and say where it goes",
        raw=True,
    ),
    Kind(
        "DfuSe (ST's .dfu)",
        _magic(b"DfuSe"),
        f"{_NAME_THE_SOURCE}, or take the BIN files out of it (dfuse-pack.py --dump)",
    ),
    Kind(
        "a file with a DFU suffix",
        _is_dfu,
        "take the suffix off (dfu-suffix --delete) and say where the rest goes",
    ),
    Kind("a flash plan", _is_plan, "name it alone, without other files"),
    Kind("a Git LFS pointer", _text("version https://git-lfs"), "fetch the file itself (git lfs pull)"),
    Kind("a library of object files (ar)", _magic(b"!<arch>\n", b"!<thin>\n"), "link it, and name the ELF"),
    Kind("a Windows program (PE)", _is_pe, "name the ELF that your toolchain for ARM makes"),
    Kind(
        "a macOS program (Mach-O)",
        _is_mach_o,
        "name the ELF that your toolchain for ARM makes",
    ),
    Kind("a gzip file", _magic(b"\x1f\x8b\x08"), _UNPACK, raw=True),
    Kind("a ZIP archive", _magic(b"PK\x03\x04", b"PK\x05\x06"), _UNPACK, raw=True),
    Kind("an xz file", _magic(b"\xfd7zXZ\0"), _UNPACK, raw=True),
    Kind("a bzip2 file", lambda look: re.match(rb"BZh[1-9]1AY&SY", look.data) is not None, _UNPACK, raw=True),
    Kind("a Zstandard file", _magic(b"\x28\xb5\x2f\xfd"), _UNPACK, raw=True),
    Kind("an LZ4 file", _magic(b"\x04\x22\x4d\x18"), _UNPACK, raw=True),
    Kind("a 7z archive", _magic(b"7z\xbc\xaf\x27\x1c"), _UNPACK, raw=True),
    Kind("a RAR archive", _magic(b"Rar!\x1a\x07"), _UNPACK, raw=True),
    Kind("a tar archive", _is_tar, _UNPACK, raw=True),
    Kind("a PDF document, not firmware", _magic(b"%PDF-"), _STORE, raw=True),
    Kind("a PNG picture, not firmware", _magic(b"\x89PNG\r\n\x1a\n"), _STORE, raw=True),
    Kind("a JPEG picture, not firmware", _magic(b"\xff\xd8\xff"), _STORE, raw=True),
    Kind("a GIF picture, not firmware", _magic(b"GIF87a", b"GIF89a"), _STORE, raw=True),
    Kind(
        "an HTML page, not firmware (a download that failed?)",
        _text("<!doctype html", "<html"),
        _STORE,
        raw=True,
    ),
    Kind("JSON, not firmware", _is_json, _STORE, raw=True),
    Kind("UTF-16 text", _is_utf16, "save it as ASCII (Windows PowerShell's > writes UTF-16)", raw=True),
    TEXT,
)
