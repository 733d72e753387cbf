"""TI-TXT: what bincopy writes is read back, and no half file is taken."""

from __future__ import annotations

from pathlib import Path

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image.titxt import load_ti_txt
from image.test_srec import runs_of_bytes, written

PATH = Path("x.txt")
FULL = b"00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0f\n"
NO_END = (
    ': no "q" at its end: a TI-TXT file that is cut off, or Verilog hex, which is not taken;'
    " name the ELF or HEX it was made from"
)


def load(data: bytes) -> list[tuple[int, bytes]]:
    return [(s.address, s.data) for s in load_ti_txt(PATH, data)]


def refusal(data: bytes) -> str:
    with pytest.raises(BoardflashError) as caught:
        load_ti_txt(PATH, data)
    return str(caught.value)


def test_the_example_of_the_manual_is_read() -> None:
    text = b"""@F000
31 40 00 03 B2 40 80 5A 20 01 D2 D3 22 00 D2 E3
21 00 3F 40 E8 FD 1F 83 FE 23 F9 3F
@FFFE
00 F0
q
"""
    (first, code), second = load(text)
    assert (first, len(code), code[:4].hex(), code[-2:].hex()) == (0xF000, 28, "31400003", "f93f")
    assert second == (0xFFFE, b"\x00\xf0")


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbf@8000000\r\n\r\n41 42\r\nq\r\n\x1a", b"@08000000\n41  42 \n  q", b"@8000000\n41 42\nQ\n"],
)
def test_line_ends_blanks_and_marks_do_not_matter(data: bytes) -> None:
    assert load(data) == [(0x0800_0000, b"AB")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", NO_END),
        (b"@8000\n" + FULL, NO_END),
        (
            b"@8000\n41\nqu\n",
            ": line 3: not a line of bytes; a byte is two hex digits, and spaces are between",
        ),
        (
            b"@8000\n41 4",
            ": line 2, where the file ends: not a line of bytes; a byte is two hex digits, and"
            " spaces are between",
        ),
        (
            b"@8000\n4 14\nq\n",
            ": line 2: not a line of bytes; a byte is two hex digits, and spaces are between",
        ),
        (
            b"@8000\n4142\nq\n",
            ": line 2: not a line of bytes; a byte is two hex digits, and spaces are between",
        ),
        (b"41\n@8000\n41\nq\n", ': line 1: bytes before an "@" and their address'),
        (
            b"@8000\n41 42\n43 44\nq\n",
            ': line 3: a line of fewer than 16 bytes ended the section: an "@" must come first',
        ),
        (b"@8000\n41\nq\n@9000\n", ': line 4: a line after the closing "q"'),
        (b"@8000\n41\nq\nq\n", ': line 4: a line after the closing "q"'),
        (b"@8_0\n41\nq\n", ': line 1: not an address; it is "@" and up to 8 hex digits'),
        (b"@-8\n41\nq\n", ': line 1: not an address; it is "@" and up to 8 hex digits'),
        (b"@\n41\nq\n", ': line 1: not an address; it is "@" and up to 8 hex digits'),
        (b"@108000000\n41\nq\n", ': line 1: not an address; it is "@" and up to 8 hex digits'),
        (b"@0\n" + FULL[:-1] + b" 10\nq\n", ": line 2: more than 16 bytes on a line"),
        (b"@10\n41 42\n@11\n43\nq\n", ": line 4: gives 43h for 0x00000011, and line 2 gives 42h"),
        (b"@FFFFFFFF\n41 42\nq\n", ": line 2: data at 0xffffffff lies beyond the 32-bit address space"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    assert refusal(data) == f"{PATH}{message}"


def test_full_lines_follow_each_other_and_bytes_given_twice_are_one_where_they_agree() -> None:
    assert load(b"@10\n" + FULL + b"10\n@1F\n0F 10\n@0\nq\n") == [(0x10, bytes(range(17)))]


@pytest.mark.parametrize("fault", [ValueError, IndexError, bincopy.Error])
def test_whatever_bincopy_raises_is_one_line(monkeypatch: pytest.MonkeyPatch, fault: type[Exception]) -> None:
    def add(self: object, text: str) -> None:
        raise fault(f"{text}\n\x1b")

    monkeypatch.setattr(bincopy.BinFile, "add_ti_txt", add)
    assert refusal(b"@0\n41\nq\n") == "x.txt: line 2: more than 16 bytes on a line"


@settings(max_examples=100, deadline=None)
@given(runs_of_bytes)
def test_what_bincopy_writes_is_read_back(parts: list[tuple[int, bytes]]) -> None:
    source = written(parts)
    assert load(source.as_ti_txt().encode()) == [(s.address, bytes(s.data)) for s in source.segments]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_file_gives_one_line_or_segments(data: st.DataObject) -> None:
    text = bytearray(
        written([(0x0800_0000, bytes(range(60))), (0x9000_0010, b"x" * 33)]).as_ti_txt().encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.integers(0, 255) | st.sampled_from(b"@q 0123456789ABCDEF\n"))
    if data.draw(st.booleans()):
        del text[data.draw(st.integers(0, len(text))) :]
    try:
        found = load_ti_txt(PATH, bytes(text))
    except BoardflashError as error:
        assert str(error).isprintable() and len(str(error)) < 200
    else:
        assert sum(s.size for s in found) <= len(text) // 2


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400))
def test_a_file_cut_off_anywhere_is_refused(at: int) -> None:
    text = written([(0x0800_0000, bytes(range(60))), (0x9000_0010, b"x" * 33)]).as_ti_txt().encode()
    assert refusal(text[: at % (len(text) - 1)])
