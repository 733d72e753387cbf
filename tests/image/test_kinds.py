"""A file is known by its contents; one that can't be taken is named, and what to do with it is said."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image.inputs import InputSpec, load_input
from boardflash.image.kinds import kind_of
from boardflash.image.model import Segment
from image.image_builders import FakeLoad, FakeSection, fake_elf
from image.test_uf2 import block

ELF = fake_elf(
    [FakeLoad(0x200, 0x0800_0000, 4)], [FakeSection(".text", 0x200, 0x0800_0000, 4)], {0x200: b"code"}
)
HEX = b":020000040800F2\n:04000000636F646561\n:00000001FF\n"
SREC = b"S30908000000636F646553\nS70500000000FA\n"
TI_TXT = b"@8000000\n63 6F 64 65\nq\n"
UF2 = block(0, 1, 0x0800_0000, b"code")
TAKEN = {
    "ELF": ELF,
    "Intel HEX": HEX,
    "an S-record file": SREC,
    "TI-TXT": TI_TXT,
    "UF2": UF2,
}


def tar_of(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return out.getvalue()


def zip_of(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


PE = b"MZ".ljust(0x3C, b"\0") + (0x80).to_bytes(4, "little") + bytes(0x40) + b"PE\0\0"
DFU_SUFFIX = bytes.fromhex("ffffdf11830400014446550a")[:8] + b"UFD\x10" + b"\1\2\3\4"
SOURCE = "name the ELF or HEX that it was made from"
UNPACK = "unpack it and name what is in it"
STORE = "to store it as it is, say where: a.bin@ADDRESS"
ARM = "name the ELF that your toolchain for ARM makes"

#: Files that carry what only a conversion makes into flash contents: refused with an address, too.
FOREIGN = [
    (
        b"DfuSe\1" + bytes(300),
        f"DfuSe (ST's .dfu); {SOURCE}, or take the BIN files out of it (dfuse-pack.py --dump)",
    ),
    (
        bytes(100) + DFU_SUFFIX,
        "a file with a DFU suffix; take the suffix off (dfu-suffix --delete) and say where the rest goes",
    ),
    (b"@08000000\r\n63 6F 64 65\r\n", f"Verilog hex ($readmemh); {SOURCE}"),
    (b"// memory\n@8000000 DEADBEEF 00000000\n", f"Verilog hex ($readmemh); {SOURCE}"),
    (b"/* a\n b */ @0\nDEAD_BEEF xxxxzzzz\n", f"Verilog hex ($readmemh); {SOURCE}"),
    (b"@8000000\n" + b"00 " * 32 + b"\n", f"Verilog hex ($readmemh); {SOURCE}"),
    (b"%4D6617800000000102030405060700010203040506070001020304050607\n", f"Tektronix hex; {SOURCE}"),
    (b"%3F3F05.data40_binary_b_bin_st10\n", f"Tektronix hex; {SOURCE}"),
    (b"/0000100100000000000000000000000000000000\n", f"Tektronix hex; {SOURCE}"),
    (b"!<arch>\nfoo.o/", "a library of object files (ar); link it, and name the ELF"),
    (PE, f"a Windows program (PE); {ARM}"),
    (bytes.fromhex("cffaedfe0c00000100000000"), f"a macOS program (Mach-O); {ARM}"),
    (bytes.fromhex("cefaedfe0700000000000000"), f"a macOS program (Mach-O); {ARM}"),
    (bytes.fromhex("cafebabe00000002"), f"a macOS program (Mach-O); {ARM}"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "a Git LFS pointer; fetch the file itself (git lfs pull)",
    ),
    (
        json.dumps({"assumptions": [], "board": {}, "board_digest": "00"}).encode(),
        "a flash plan; name it alone, without other files",
    ),
]
#: Files that a firmware may read, so that they are stored where an address is given.
STORED = [
    (gzip.compress(b"x"), f"a gzip file; {UNPACK}"),
    (zip_of("a"), f"a ZIP archive; {UNPACK}"),
    (b"PK\5\6" + bytes(18), f"a ZIP archive; {UNPACK}"),
    (lzma.compress(b"x"), f"an xz file; {UNPACK}"),
    (bz2.compress(b"x"), f"a bzip2 file; {UNPACK}"),
    (bytes.fromhex("28b52ffd2000010000"), f"a Zstandard file; {UNPACK}"),
    (bytes.fromhex("04224d186440a7"), f"an LZ4 file; {UNPACK}"),
    (bytes.fromhex("377abcaf271c0004"), f"a 7z archive; {UNPACK}"),
    (b"Rar!\x1a\x07\x01\0", f"a RAR archive; {UNPACK}"),
    (tar_of("a"), f"a tar archive; {UNPACK}"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", f"a PDF document, not firmware; {STORE}"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", f"a PNG picture, not firmware; {STORE}"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", f"a JPEG picture, not firmware; {STORE}"),
    (b"GIF89a\1\0", f"a GIF picture, not firmware; {STORE}"),
    (
        b"\n<!DOCTYPE html>\n<html>",
        f"an HTML page, not firmware (a download that failed?); {STORE}",
    ),
    (b'{"a": 1}', f"JSON, not firmware; {STORE}"),
    (b"[1, 2]", f"JSON, not firmware; {STORE}"),
    (
        HEX.decode().encode("utf-16"),
        "UTF-16 text; save it as ASCII (Windows PowerShell's > writes UTF-16)",
    ),
    (
        b"00000000: 7f45 4c46 0101 0100  .ELF....\n",
        "a hex dump; make a BIN of it (xxd -r) and say where it goes",
    ),
    (b"000010:FFFF\n", f"Atmel generic hex; {SOURCE}"),
    (b"K\xc3\xa4se, and nothing else", f"text, but in no format that is taken; {STORE}"),
    (b"x" * 1023 + "ä".encode(), f"text, but in no format that is taken; {STORE}"),
    (b"hello \x1b[0m"[:5], f"text, but in no format that is taken; {STORE}"),
]


def write(folder: Path, data: bytes, name: str = "a.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(spec: InputSpec) -> str:
    with pytest.raises(BoardflashError) as caught:
        load_input(spec)
    told = str(caught.value)
    assert told.isprintable()
    return told


@pytest.mark.parametrize("name", ["a.bin", "a", "a.hex", "a.elf", "a.s19", "a.uf2", "a.png"])
@pytest.mark.parametrize("kind", TAKEN)
def test_a_format_that_is_taken_is_known_whatever_its_name_is(tmp_path: Path, kind: str, name: str) -> None:
    (found,) = load_input(InputSpec(write(tmp_path, TAKEN[kind], name))).segments
    assert (found.address, found.data) == (0x0800_0000, b"code")


@pytest.mark.parametrize("kind", ["Intel HEX", "an S-record file", "TI-TXT"])
def test_a_text_format_may_begin_with_a_byte_order_mark(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf\r\n" + TAKEN[kind])
    assert load_input(InputSpec(path)).segments[0].data == b"code"
    assert "has its own addresses" in refusal(InputSpec(path, 0))


@pytest.mark.parametrize("name", ["a.bin", "a.hex"])
@pytest.mark.parametrize(
    ("kind", "tool"),
    [
        ("ELF", "objcopy -O binary"),
        ("Intel HEX", "objcopy -I ihex -O binary"),
        ("an S-record file", "objcopy -I srec -O binary"),
        ("TI-TXT", "bincopy convert -i ti_txt -o binary"),
        ("UF2", "uf2conv.py"),
    ],
)
def test_a_format_with_addresses_is_never_raw_bytes(tmp_path: Path, kind: str, tool: str, name: str) -> None:
    spec = InputSpec(write(tmp_path, TAKEN[kind], name), 0x9000_0000)
    assert refusal(spec) == (
        f"{spec}: it is {kind} and has its own addresses; leave out @0x90000000,"
        f" or make a BIN of it first ({tool})"
    )


@pytest.mark.parametrize(("data", "said"), FOREIGN + STORED, ids=lambda value: repr(value)[:30])
def test_a_format_that_is_not_taken_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = write(tmp_path, data)
    assert refusal(InputSpec(path)) == f"{path}: is {said}"


@pytest.mark.parametrize(("data", "said"), FOREIGN, ids=lambda value: repr(value)[:30])
def test_what_has_to_be_converted_is_refused_with_an_address_too(
    tmp_path: Path, data: bytes, said: str
) -> None:
    spec = InputSpec(write(tmp_path, data), 0x9000_0000)
    assert refusal(spec) == f"{spec}: is {said}"


@pytest.mark.parametrize(("data", "said"), STORED, ids=lambda value: repr(value)[:30])
def test_pictures_and_archives_are_stored_where_an_address_says(
    tmp_path: Path, data: bytes, said: str
) -> None:
    path = write(tmp_path, data)
    assert load_input(InputSpec(path, 0x9000_0000)).segments == (Segment(0x9000_0000, data, str(path)),)


@pytest.mark.parametrize(
    "data",
    [
        b":\x10\0\0",
        b":10",
        b"S1\0",
        b"S3 text of a song",
        b"@home\n",
        b"MZ\0\0" + bytes(100),
        b"\xca\xfe\xba\xbe\0\0\0\x34",
        b"\xce\xfa\xed\xfe\1\2\3\4",
        b"UF2\n" + bytes(508),
        b"\x7fEL",
        b"AB\0\0",
        b"UFD\x10",
        bytes(16),
        b"\xff\xfe\0\0\1",
        b"@8000000 x\0",
        b"DfuS",
        b"%PD\0",
        bytes(257) + b"usta",
        b"[section]\n",
        b"{ braces }",
        b"BZh9",
        b"",
    ],
)
def test_raw_bytes_are_not_taken_for_a_format_by_chance(tmp_path: Path, data: bytes) -> None:
    kind = kind_of(data)
    assert kind is None or kind.name.startswith("text, but")
    path = write(tmp_path, data + b"\0")
    assert load_input(InputSpec(path, 0x9000_0000)).segments[0].data == data + b"\0"


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (
            b":0400000\n:00000001FF\n",
            "a",
            'line 1: not a record; each line is ":" and an even number of hex digits',
        ),
        (b"\n\n:0400\n", "a.bin", 'line 3: not a record; each line is ":" and an even number of hex digits'),
        (b"", "a.hex", 'no end record (":00000001FF"): the file is truncated or not Intel HEX'),
        (b"hello", "a.s19", "line 1, where the file ends: not a record; each line is"),
        (b"\0\1", "a.uf2", "2 bytes are no whole number of 512-byte UF2 blocks: the file is cut off"),
        (HEX[:30] + b"\xff\0" + HEX[32:], "a", "line 2: not a record"),
        (SREC[:26] + b"\0" + SREC[26:], "a", "line 2: not a record"),
        (TI_TXT[:-2], "a", 'no "q" at its end: a TI-TXT file that is cut off, or Verilog hex'),
        (b"41 42\n" + TI_TXT, "a", 'line 1: bytes before an "@" and their address'),
        (b"@8000000\n41 4\nq\n", "a", "line 2: not a line of bytes"),
        (
            b"\xef\xbb\xbf" + TI_TXT[:-2],
            "a",
            'no "q" at its end: a TI-TXT file that is cut off, or Verilog hex',
        ),
    ],
)
def test_the_reader_of_the_format_that_is_meant_says_what_is_wrong(
    tmp_path: Path, data: bytes, name: str, said: str
) -> None:
    path = write(tmp_path, data, name)
    assert refusal(InputSpec(path)).startswith(f"{path}: {said}")


@pytest.mark.parametrize("target", ["verilog", "tekhex"])
def test_what_objcopy_writes_is_named(tmp_path: Path, target: str) -> None:
    if shutil.which("objcopy") is None:
        pytest.skip("no objcopy")
    raw, out = write(tmp_path, bytes(range(100))), tmp_path / "out"
    command = ["objcopy", "-I", "binary", "-O", target, "--change-addresses", "0x08000000"]
    subprocess.run([*command, str(raw), str(out)], check=True)
    kind = {"verilog": "Verilog hex ($readmemh)", "tekhex": "Tektronix hex"}[target]
    assert refusal(InputSpec(out)) == f"{out}: is {kind}; {SOURCE}"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_every_content_has_one_kind_or_none(data: bytes) -> None:
    kind = kind_of(data)
    assert kind is None or kind.name.isprintable()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(TAKEN)), st.data())
def test_a_changed_file_is_never_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    out = bytearray(TAKEN[kind])
    for _ in range(data.draw(st.integers(0, 5))):
        out[data.draw(st.integers(0, min(len(out), 64) - 1))] = data.draw(st.integers(0, 255))
    del out[data.draw(st.integers(0, 2 * len(out))) :]
    path = write(tmp_path_factory.getbasetemp(), bytes(out))
    try:
        load_input(InputSpec(path))
    except BoardflashError as error:
        assert str(error).isprintable() and len(str(error)) < 400
