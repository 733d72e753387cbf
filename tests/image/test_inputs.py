"""What a user may name as input, and Intel HEX in and out."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import intelhex
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image.hexfile import load_hex, to_hex
from boardflash.image.inputs import MAX_INPUT_BYTES, InputSpec, load_inputs
from boardflash.image.model import Segment
from boardflash.image.split import merge
from image.image_builders import FakeLoad, FakeSection, fake_elf

HEX = b":020000040800F2\n:04000000DEADBEEFC4\n:00000001FF\n"


@pytest.mark.parametrize(
    ("text", "path", "address"),
    [
        ("app.elf", "app.elf", None),
        ("build/data.bin@0x90000000", "build/data.bin", 0x9000_0000),
        ("data.bin@134217728", "data.bin", 0x0800_0000),
        ("me@home/app.elf", "me@home/app.elf", None),
        ("me@home/a.bin@0x0", "me@home/a.bin", 0),
    ],
)
def test_inputs_are_written_as_file_or_file_at_address(text: str, path: str, address: int | None) -> None:
    assert InputSpec.parse(text) == InputSpec(Path(path), address)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.bin@0x9000000g", 'a.bin@0x9000000g: "0x9000000g" is not an address; write it as in'),
        ("a.bin@", 'a.bin@: an address must follow the "@"'),
        ("@0x90000000", '@0x90000000: a file name must stand before the "@"'),
        ("a.bin@0x100000000", "a.bin@0x100000000: 0x100000000 is beyond the 32-bit address space"),
    ],
)
def test_a_bad_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        InputSpec.parse(text)
    assert str(caught.value).startswith(message)


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_kind_is_known_by_content_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    elf = fake_elf([FakeLoad(0x200, 0x100, 4)], [FakeSection(".text", 0x200, 0x100, 4)], {0x200: b"code"})
    assert segments(InputSpec(write(tmp_path, "firmware", elf)))[0].data == b"code"
    assert segments(InputSpec(write(tmp_path, "dump", HEX)))[0].address == 0x0800_0000
    assert segments(InputSpec(write(tmp_path, "app.elf", HEX)))[0].address == 0x0800_0000
    assert segments(InputSpec(write(tmp_path, "app.hex", elf)))[0].data == b"code"
    raw = InputSpec(write(tmp_path, "raw", b":\x10\x00"), 0x10)
    assert segments(raw) == (Segment(0x10, b":\x10\x00", str(raw.path)),)


def segments(spec: InputSpec) -> tuple[Segment, ...]:
    ((_, contents),) = load_inputs([spec])
    return contents.segments


def refusal(spec: InputSpec) -> str:
    with pytest.raises(BoardflashError) as caught:
        load_inputs([spec])
    return str(caught.value)


def test_inputs_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    at = tmp_path
    assert refusal(InputSpec(at / "none.elf")) == f"{at}/none.elf: no such file"
    assert refusal(InputSpec(at)) == f"{at}: is a folder, not a file"
    assert "cannot be read: " in refusal(InputSpec(Path("a\0b"))) or "no such file" in refusal(
        InputSpec(Path("a\0b"))
    )
    text = write(at, "notes.elf", b"hello")
    assert refusal(InputSpec(text)) == f"{text}: not an ELF file (it does not start with 7Fh ELF)"
    raw = write(at, "data.bin", b"\0\1")
    assert refusal(InputSpec(raw)) == (
        f"{raw}: none of ELF, Intel HEX, S-record, TI-TXT, UF2;"
        " for raw bytes say where they go: data.bin@0x90000000"
    )
    assert refusal(InputSpec(raw, 0xFFFF_FFFF)) == (
        f"{raw}@0xffffffff: its 2 bytes run beyond the 32-bit address space"
    )
    assert refusal(InputSpec(text, 0)) == (
        f"{text}@0x00000000: it is named like ELF, which has its own addresses;"
        " leave out @0x00000000, or rename it"
    )
    assert refusal(InputSpec(write(at, "e", b""))) == f"{at}/e: holds no bytes for a memory"
    assert refusal(InputSpec(write(at, "e.bin", b""), 0)) == f"{at}/e.bin: holds no bytes for a memory"
    assert refusal(InputSpec(write(at, "e.hex", b":00000001FF\n"))) == (
        f"{at}/e.hex: holds no bytes for a memory"
    )
    with pytest.raises(BoardflashError, match="no input file; name at least one"):
        load_inputs([])


def test_a_two_gigabyte_objcopy_is_not_even_opened(tmp_path: Path) -> None:
    path = tmp_path / "both.bin"
    with path.open("wb") as stream:
        stream.truncate(MAX_INPUT_BYTES + 1)  # sparse, as objcopy leaves it
    assert refusal(InputSpec(path, 0x0800_0000)) == (
        f"{path}: 1073741825 bytes, and at most 1073741824 are read; is it an objcopy of both memories?"
    )


def test_hex_records_of_both_address_kinds_are_read() -> None:
    data = b":020000021000EC\r\n:02000000ABCD86\r\n:02000004900 06A\r\n".replace(b" ", b"")
    data += b":01FFFF0055AC\r\n:020000049001 69\r\n".replace(b" ", b"") + b":0100000066 99\r\n".replace(
        b" ", b""
    )
    data += b":00000001FF\r\n"
    found = merge(load_hex(Path("x.hex"), data))
    assert [(s.address, s.data) for s in found] == [(0x1_0000, b"\xab\xcd"), (0x9000_FFFF, b"\x55\x66")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b":04000000DEADBEEFC5\n:00000001FF\n", "line 1: the record's checksum is wrong"),
        (b"\n:04000000DEADBEC4\n:00000001FF\n", "line 2: the record's length is not what its first byte"),
        (HEX + b":00000001FF\n", "line 4: a record after the end record"),
        (b":0400000\n:00000001FF\n", 'line 1: not a record; each line is ":" and an even number of hex'),
        (b"hello\n:00000001FF\n", 'line 1: not a record; each line is ":" and an even number of hex digits'),
        (b":00000006FA\n:00000001FF\n", "line 1: unknown record type; 00 to 05 are known"),
        (HEX[:-12], 'no end record (":00000001FF"): the file is truncated or not Intel HEX'),
        (b"", "no end record"),
        (
            b":0100000011EE\n:0100000022DD\n:00000001FF\n",
            "line 2: gives 22h for 0x00000000, and line 1 gives 11h",
        ),
        (
            b":02000004FFFFFC\n:02FFFF001122CD\n:00000001FF\n",
            "line 2: data at 0xffffffff lies beyond the 32-bit address space",
        ),
        (b":030000040800001F1\n:00000001FF\n", "line 1: "),
        (b"\xff\xfe:\n", "line 1: not a record"),
        (b"\n \n:0400", "line 3, where the file ends: not a record"),
        (b":0200000200010\n:00000001FF\n", "line 1: not a record"),
        (b":02000102ABCD83\n:00000001FF\n", "line 1: the extended address record is malformed"),
        (b":010000050AF0\n:00000001FF\n", "line 1: the start address record is malformed"),
        (b":0100000100FE\n", "line 1: the end record carries data"),
        (b"\x1a\n" + HEX, "line 1: not a record"),
    ],
)
def test_a_bad_hex_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        load_hex(Path("x.hex"), data)
    assert str(caught.value).startswith(f"x.hex: {message}")


def test_data_of_a_segment_record_wrap_to_the_start_of_the_segment() -> None:
    """Intel's section 3: the offset of a byte counts modulo 64 KiB under a record of type 02."""
    lines = [_record(2, 0, b"\x10\x00"), _record(0, 0xFFFE, b"abcd"), _record(4, 0, b"\x08\x00")]
    lines += [_record(0, 0xFFFE, b"efgh"), ":00000001FF"]
    found = load_hex(Path("x.hex"), "\n".join(lines).encode())
    assert [(s.address, s.data) for s in found] == [
        (0x1_0000, b"cd"),
        (0x1_FFFE, b"ab"),
        (0x0800_FFFE, b"efgh"),
    ]


def test_bytes_given_twice_are_one_where_they_agree() -> None:
    lines = [_record(0, 0, b"abcd"), _record(0, 8, b"ij"), _record(0, 2, b"cdef"), _record(0, 0, b"ab")]
    whole = "\n".join([*lines, ":00000001FF"]).encode()
    found = load_hex(Path("x.hex"), whole)
    assert [(s.address, s.data) for s in found] == [(0, b"abcdef"), (8, b"ij")]
    lines.insert(3, _record(0, 5, b"F"))
    with pytest.raises(BoardflashError) as caught:
        load_hex(Path("x.hex"), "\n".join([*lines, ":00000001FF"]).encode())
    assert str(caught.value) == "x.hex: line 4: gives 46h for 0x00000005, and line 3 gives 66h"


def _record(kind: int, offset: int, body: bytes) -> str:
    raw = bytes((len(body), offset >> 8, offset & 0xFF, kind)) + body
    return ":" + (raw + bytes((-sum(raw) & 0xFF,))).hex().upper()


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" + HEX, HEX + b"\x1a", HEX + b"\r\n\x1a\x1a\n", HEX.strip()])
def test_a_byte_order_mark_and_ctrl_z_are_no_records(data: bytes) -> None:
    found = load_hex(Path("x.hex"), data)
    assert [(s.address, s.data) for s in found] == [(0x0800_0000, bytes.fromhex("DEADBEEF"))]


@pytest.mark.parametrize("fault", [ValueError, TypeError, IndexError, OverflowError])
def test_whatever_intelhex_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def loadhex(self: object, stream: object) -> None:
        raise fault("a\nb")

    monkeypatch.setattr(intelhex.IntelHex, "loadhex", loadhex)
    with pytest.raises(BoardflashError) as caught:
        load_hex(Path("x.hex"), HEX)
    assert str(caught.value) == (
        'x.hex: line 1: not a record; each line is ":" and an even number of hex digits'
    )


def test_no_message_holds_control_characters_of_a_name(tmp_path: Path) -> None:
    name = "a\x1b[31m\nb\x9b\u202e"
    hostile = write(tmp_path, name, b"\0\1")
    text = write(tmp_path, name + "2", HEX)
    told = [
        refusal(InputSpec(hostile)),
        refusal(InputSpec(hostile, 0xFFFF_FFFF)),
        refusal(InputSpec(text, 0)),
        refusal(InputSpec(write(tmp_path, name + ".hex", b":00"))),
        refusal(InputSpec(write(tmp_path, name + ".elf", b"x"), 0)),
        refusal(InputSpec(write(tmp_path, name + ".png", b"\x89PNG\r\n\x1a\n"))),
        refusal(InputSpec(write(tmp_path, name + "3", b""))),
        refusal(InputSpec(tmp_path / (name + "none"))),
    ]
    for tail in ("@", "@0\x1b", "@0x100000000"):
        with pytest.raises(BoardflashError) as caught:
            InputSpec.parse(name + tail)
        told.append(str(caught.value))
    assert all(each.isprintable() and "a?[31m b??" in each for each in told), told


def vectors(stack: int, reset: int, size: int = 0x400) -> bytes:
    return struct.pack("<II", stack, reset).ljust(size, b"\0")


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (vectors(0x2005_0000, 0x0800_01C1), "begins like firmware"),
        (vectors(0x2008_0000, 0x0800_03FF), "begins like firmware"),
        (vectors(0x1001_0000, 0x0020_01C1), "begins like firmware"),
        (vectors(0x2408_0000, 0x0800_0009), "begins like firmware"),
        (vectors(0x2000_0000, 0x0800_01C1), "raw bytes"),
        (vectors(0x2005_0002, 0x0800_01C1), "raw bytes"),
        (vectors(0x2005_0000, 0x0800_01C0), "raw bytes"),
        (vectors(0x2005_0000, 0x0C00_0001), "raw bytes"),
        (vectors(0x2005_0000, 0x9000_01C1), "raw bytes"),
        (vectors(0x6000_0000, 0x0800_01C1), "raw bytes"),
        (vectors(0x2005_0000, 0x0800_0401), "linked for"),
        (vectors(0x2005_0000, 0x0800_0401, 0x402), "begins like firmware"),
        (vectors(0x2005_0000, 0x0800_0401)[:7], "raw bytes"),
    ],
)
def test_a_bin_that_begins_with_a_vector_table_is_not_sent_to_qspi(
    tmp_path: Path, data: bytes, advice: str
) -> None:
    path = write(tmp_path, "app.bin", data)
    said = {
        "begins like firmware": (
            "it begins like firmware for internal flash; say where it goes: app.bin@0x08000000"
        ),
        "raw bytes": "for raw bytes say where they go: app.bin@0x90000000",
        "linked for": (
            "it begins like firmware that starts at 0x08000400, further on than it is long;"
            " say the address that it is linked for: app.bin@ADDRESS"
        ),
    }
    assert refusal(InputSpec(path)) == (
        f"{path}: none of ELF, Intel HEX, S-record, TI-TXT, UF2; {said[advice]}"
    )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_hex_file_with_one_wrong_character_is_the_same_or_refused(data: st.DataObject) -> None:
    runs = [Segment(0x0800_0000, bytes(range(40)), "x"), Segment(0x9000_FFF0, bytes(range(50)), "x")]
    text = bytearray(to_hex(runs))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        found = load_hex(Path("x"), bytes(text))
    except BoardflashError as error:
        assert str(error).isprintable()
    else:
        assert [(s.address, s.data) for s in found] == [(r.address, r.data) for r in runs]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, (1 << 32) - 300), st.binary(min_size=1, max_size=300)), max_size=5),
)
def test_hex_out_is_what_intelhex_reads_and_what_we_read(parts: list[tuple[int, bytes]]) -> None:
    runs: list[Segment] = []
    for address, data in sorted(parts):
        if not runs or address > runs[-1].end:
            runs.append(Segment(address, data, "x"))
    text = to_hex(runs)
    oracle = intelhex.IntelHex(io.StringIO(text.decode()))
    expected = {run.address + i: byte for run in runs for i, byte in enumerate(run.data)}
    assert oracle.todict() == expected
    again = merge(load_hex(Path("x"), text))
    assert [(s.address, s.data) for s in again] == [(r.address, r.data) for r in runs]


def test_intelhex_never_holds_more_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 170 bytes of memory for each byte it holds: 2.7 GB for a 16 MiB chip."""
    held: list[int] = []

    class Spy(intelhex.IntelHex):  # type: ignore[misc]
        def loadhex(self, fobj: object) -> None:
            super().loadhex(fobj)
            held.append(len(self))

        def frombytes(self, data: bytes, offset: int = 0) -> None:
            super().frombytes(data, offset)
            held.append(len(self))

    monkeypatch.setattr(intelhex, "IntelHex", Spy)
    runs = [Segment(0x9000_0800, bytes(range(256)) * 1024, "x")]
    back = merge(load_hex(Path("x"), to_hex(runs)))
    assert back[0].data == runs[0].data
    assert len(held) >= 10
    assert max(held) <= 0x1_0000
