"""Motorola S-records: what bincopy writes is read back, and no damaged file is taken."""

from __future__ import annotations

import subprocess
import tracemalloc
from pathlib import Path

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image import records
from boardflash.image.inputs import InputSpec, load_input
from boardflash.image.srec import load_srec

PATH = Path("x.s37")
END = "S70500000000FA"


def record(kind: str, address: int, body: bytes = b"") -> str:
    width = {"1": 2, "2": 3, "3": 4, "7": 4, "8": 3, "6": 3}.get(kind, 2)
    raw = bytes((width + len(body) + 1,)) + address.to_bytes(width, "big") + body
    return f"S{kind}{raw.hex().upper()}{~sum(raw) & 0xFF:02X}"


def file(*records: str) -> bytes:
    return "".join(f"{line}\r\n" for line in records).encode()


def load(*records: str) -> list[tuple[int, bytes]]:
    return [(s.address, s.data) for s in load_srec(PATH, file(*records))]


def refusal(data: bytes) -> str:
    with pytest.raises(BoardflashError) as caught:
        load_srec(PATH, data)
    return str(caught.value)


def test_the_records_of_the_manual_are_read() -> None:
    """The example of the M68000 Family Programmer's Reference Manual, appendix C."""
    text = """
        S00600004844521B
        S1130000285F245F2212226A000424290008237C2A
        S11300100002000800082629001853812341001813
        S113002041E900084E42234300182342000824A952
        S107003000144ED492
        S9030000FC
    """
    ((address, data),) = load(*text.split())
    assert (address, len(data)) == (0, 0x34)
    assert data[:4].hex() == "285f245f" and data[-4:].hex() == "00144ed4"


@pytest.mark.parametrize(
    ("kind", "end", "base"), [("1", "9", 0xFF00), ("2", "8", 0x12_3456), ("3", "7", 0x9000_0000)]
)
def test_all_widths_of_address_are_read(kind: str, end: str, base: int) -> None:
    assert load(record("0", 0, b"HDR"), record(kind, base, b"ab"), record("5", 1), record(end, 0)) == [
        (base, b"ab")
    ]
    assert load(record(kind, base, b"ab"), record("6", 1), record("9", 0)) == [(base, b"ab")]


def test_what_objcopy_writes_is_read(tmp_path: Path) -> None:
    raw, out = tmp_path / "a.bin", tmp_path / "a.s37"
    raw.write_bytes(bytes(range(256)) * 3)
    command = ["arm-none-eabi-objcopy", "-I", "binary", "-O", "srec", "--change-addresses", "0x08000000"]
    try:
        subprocess.run([*command, str(raw), str(out)], check=True)
    except FileNotFoundError:
        pytest.skip("no arm-none-eabi-objcopy")
    (found,) = load_input(InputSpec(out)).segments
    assert (found.address, found.data) == (0x0800_0000, raw.read_bytes())


DATA = record("3", 0x0800_0000, b"abcd")
MORE = record("3", 0x0800_0004, b"efgh")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (file(DATA), ": no end record (S7, S8 or S9): the file is cut off"),
        (file(DATA, record("5", 1)), ": no end record (S7, S8 or S9): the file is cut off"),
        (b"", ": no end record (S7, S8 or S9): the file is cut off"),
        (
            file(DATA, record("5", 2), END),
            ": line 2: it counts 2 data records, and 1 stand before it: the file is damaged",
        ),
        (
            file(DATA, MORE, record("6", 1), END),
            ": line 3: it counts 1 data records, and 2 stand before it: the file is damaged",
        ),
        (file(DATA[:-1] + "0", END), ": line 1: the record's checksum is wrong"),
        (file(DATA[:-2], END), ": line 1: the record's length is not what its first byte says"),
        (file(DATA + "00", END), ": line 1: the record's length is not what its first byte says"),
        (
            file(DATA)[:-8],
            ": line 1, where the file ends: the record's length is not what its first byte says",
        ),
        (file("S303FC0000", END), ": line 1: the record is too short for its address"),
        (file("S30400FB", END), ": line 1: the record's length is not what its first byte says"),
        (
            file("", "S3zz", END),
            ': line 2: not a record; each line is "S", a type and an even number of hex digits',
        ),
        (
            file(DATA, "S30 ", END),
            ': line 2: not a record; each line is "S", a type and an even number of hex digits',
        ),
        (
            file("S4030000FC", END),
            ": line 1: unknown record type S4; S0 to S3 and S5 to S9 are known",
        ),
        (file(DATA, END, DATA), ": line 3: a record after the end record"),
        (file(DATA, END, END), ": line 3: a record after the end record"),
        (file(DATA, record("2", 0, b"x"), END), ": line 2: an S2 record in a file of S3 records"),
        (file(DATA, record("8", 0)), ": line 2: an S8 record ends a file of S3 records"),
        (file(record("1", 0, b"x"), END), ": line 2: an S7 record ends a file of S1 records"),
        (file(DATA, "S7060000000000F9"), ": line 2: the S7 record carries data"),
        (file(DATA, record("5", 1, b"x"), END), ": line 2: the S5 record carries data"),
        (file(DATA, record("6", 1, b"x"), END), ": line 2: the S6 record carries data"),
        (
            file(DATA, record("3", 0x0800_0003, b"d"), record("3", 0x0800_0003, b"x"), END),
            ": line 3: gives 78h for 0x08000003, and line 1 gives 64h",
        ),
        (file(record("0", 0x800, b"HDR"), DATA, END), ": line 1: the S0 record has the address 0800h, not 0"),
        (
            file(DATA, MORE, record("3", 0x0800_0002, b"cdEf"), END),
            ": line 3: gives 45h for 0x08000004, and line 2 gives 65h",
        ),
        (
            file(record("3", 0xFFFF_FFFF, b"ab"), END),
            ": line 1: data at 0xffffffff lies beyond the 32-bit address space",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    assert refusal(data) == f"{PATH}{message}"


def test_the_shortest_record_that_holds_its_address_has_no_data() -> None:
    assert load("S30500000000FA", DATA, END) == [(0x0800_0000, b"abcd")]
    assert refusal(file("S304000000FB", END)).endswith("the record is too short for its address")


def test_the_last_byte_of_the_address_space_is_one() -> None:
    assert load(record("3", 0xFFFF_FFFE, b"ab"), END) == [(0xFFFF_FFFE, b"ab")]


def test_bytes_given_twice_are_one_where_they_agree() -> None:
    again = record("3", 0x0800_0002, b"cdef")
    assert load(DATA, MORE, again, record("5", 3), END) == [(0x0800_0000, b"abcdefgh")]


@pytest.mark.parametrize("fault", [ValueError, IndexError, bincopy.Error])
def test_whatever_bincopy_raises_is_one_line(monkeypatch: pytest.MonkeyPatch, fault: type[Exception]) -> None:
    def unpack(line: str) -> None:
        raise fault(f"{line}\n\x1b")

    monkeypatch.setattr(bincopy, "unpack_srec", unpack)
    assert refusal(file(DATA, END)) == "x.s37: line 1: the record's checksum is wrong"


runs_of_bytes = st.lists(
    st.tuples(st.integers(0, (1 << 32) - 300), st.binary(min_size=1, max_size=300)), min_size=1, max_size=5
)


def written(parts: list[tuple[int, bytes]]) -> bincopy.BinFile:
    out, end = bincopy.BinFile(), -1
    for address, data in sorted(parts):
        if address > end:
            out.add_binary(data, address)
            end = address + len(data)
    out.execution_start_address = 0
    return out


@settings(max_examples=100, deadline=None)
@given(runs_of_bytes, st.integers(1, 64))
def test_what_bincopy_writes_is_read_back(parts: list[tuple[int, bytes]], width: int) -> None:
    source = written(parts)
    found = load_srec(PATH, source.as_srec(width).encode())
    assert [(s.address, s.data) for s in found] == [(s.address, bytes(s.data)) for s in source.segments]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_file_with_one_wrong_character_is_the_same_or_refused(data: st.DataObject) -> None:
    source = written([(0x0800_0000, bytes(range(60))), (0x9000_0010, bytes(range(40)))])
    text = bytearray(source.as_srec(16).encode())
    at = data.draw(st.integers(0, len(text) - 1) | st.sampled_from([1, len(text) - 14]))
    text[at] = data.draw(st.integers(0, 255) | st.sampled_from(b"0123456789"))
    try:
        found = load_srec(PATH, bytes(text))
    except BoardflashError as error:
        assert str(error).isprintable()
    else:
        assert [(s.address, s.data) for s in found] == [(s.address, bytes(s.data)) for s in source.segments]


@pytest.mark.parametrize("line", range(12))
def test_a_file_without_one_of_its_records_is_refused(line: int) -> None:
    lines = written([(0x0800_0000, bytes(160))]).as_srec(16).splitlines()
    assert len(lines) == 12
    del lines[line]
    if line == 10:  # the count itself
        assert load(*lines) == [(0x0800_0000, bytes(160))]
    else:
        assert refusal(file(*lines))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text("S0123456789ABCDEF\r\n", max_size=200).map(str.encode))
def test_any_bytes_give_one_line_or_segments(data: bytes) -> None:
    try:
        found = load_srec(PATH, data)
    except BoardflashError as error:
        assert str(error).isprintable() and len(str(error)) < 200
    else:
        assert sum(s.size for s in found) <= len(data)


def test_a_file_in_endless_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MOST_RUNS", 3)
    lines = [record("3", at, b"x") for at in (6, 4, 2, 3, 0)]
    assert load(*lines[:4], END) == [(2, b"xxx"), (6, b"x")]
    assert refusal(file(*lines, END)) == (
        "x.s37: line 5: more than 3 pieces that do not follow each other; is this firmware?"
    )


def test_memory_is_a_small_multiple_of_the_file() -> None:
    far = [record("3", at << 24, b"x") for at in range(255, -1, -1)]
    near = [record("3", 0x0800_0000 + 32 * at, bytes(32)) for at in range(30_000)]
    for data in (file(*far, END), file(*near, END)):
        tracemalloc.start()
        load_srec(PATH, data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * len(data) + 500_000, (peak, len(data))
