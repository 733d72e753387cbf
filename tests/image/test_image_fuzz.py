"""Hostile files: success or one clear line, never anything else, and never much memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image.elf import load_elf
from boardflash.image.hexfile import load_hex, to_hex
from boardflash.image.model import MemoryRange, Segment
from boardflash.image.split import split
from image.image_builders import FakeLoad, FakeSection, fake_elf, link_elf

REGIONS = (MemoryRange("internal", 0x0800_0000, 0x10_0000), MemoryRange("qspi", 0x9000_0000, 0x100_0000))
RAM = (MemoryRange("RAM", 0x2000_0000, 0x5_0000),)
NASTY = (0, 1, 2, 4, 31, 32, 40, 0x34, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF)
FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def real_elf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return link_elf(tmp_path_factory.mktemp("fuzz"), "zig", 0x0800_8000).read_bytes()


def survives(kind: str, data: bytes) -> None:
    """The only two allowed ends, and the only allowed amount of bytes."""
    try:
        path = Path("hostile")
        segments = load_elf(path, data).segments if kind == "elf" else load_hex(path, data)
        assert sum(s.size for s in segments) <= len(data)
        split(segments, REGIONS, RAM)
    except BoardflashError as error:
        told = str(error)
        assert told and "\n" not in told and len(told) < 600
        assert told.isprintable()


def mutated(data: st.DataObject, original: bytes, interesting: int) -> bytes:
    """A few words of `original` overwritten, mostly among its first bytes; sometimes cut."""
    out = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, interesting) | st.integers(0, len(out) - 4))
        width = data.draw(st.sampled_from((1, 2, 4)))
        value = data.draw(st.sampled_from(NASTY) | st.integers(0, 0xFFFF_FFFF)) & ((1 << 8 * width) - 1)
        out[at : at + width] = value.to_bytes(width, "little")
    if data.draw(st.integers(0, 4)) == 0:
        del out[data.draw(st.integers(0, len(out))) :]
    return bytes(out)


@FUZZ
@given(st.data())
def test_a_real_elf_with_changed_headers(real_elf: bytes, data: st.DataObject) -> None:
    survives("elf", mutated(data, real_elf, 52 + 32 * 8))


@FUZZ
@given(st.data())
def test_a_real_elf_with_changed_section_headers(real_elf: bytes, data: st.DataObject) -> None:
    table = int.from_bytes(real_elf[32:36], "little")
    turned = real_elf[table:] + real_elf[:table]
    changed = mutated(data, turned, len(real_elf) - table)
    back = changed[len(real_elf) - table :] + changed[: len(real_elf) - table]
    survives("elf", back)


@FUZZ
@given(st.data())
def test_a_small_elf_with_nasty_tables(data: st.DataObject) -> None:
    word = st.sampled_from(NASTY) | st.integers(0, 0x600)
    address = st.sampled_from((0x0800_0000, 0x2000_0000, 0x9000_0000, 0xFFFF_FFF0)) | word
    loads = [
        FakeLoad(data.draw(word), data.draw(address), data.draw(word), data.draw(address))
        for _ in range(data.draw(st.integers(1, 4)))
    ]
    sections = [
        FakeSection(
            data.draw(st.sampled_from(("", ".text", "\x01\x02", "a" * 90))),
            data.draw(word),
            data.draw(address),
            data.draw(word),
            data.draw(
                st.sampled_from((0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 0x6FFF_FFF6, 0x7000_0001, 0x7000_0003))
            ),
            data.draw(st.sampled_from((0, 2, 3, 6, 0x802))),
        )
        for _ in range(data.draw(st.integers(0, 6)))
    ]
    survives("elf", fake_elf(loads, sections or None))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic(data: bytes) -> None:
    survives("elf", b"\x7fELF\x01\x01\x01" + data)


@FUZZ
@given(st.integers(0, 1 << 20))
def test_an_elf_cut_anywhere(real_elf: bytes, at: int) -> None:
    survives("elf", real_elf[: at % len(real_elf)])


@FUZZ
@given(st.data())
def test_a_real_hex_file_with_changed_characters(data: st.DataObject) -> None:
    original = to_hex(
        [Segment(0x0800_0000, bytes(range(200)), "x"), Segment(0x9000_FFF0, bytes(range(100)), "x")]
    )
    out = bytearray(original)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(out) - 1))
        out[at] = data.draw(st.sampled_from(b":0123456789ABCDEFabcdefG \r\n\0\xff"))
    if data.draw(st.booleans()):
        del out[data.draw(st.integers(0, len(out))) :]
    survives("hex", bytes(out))


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 0xFFFF), st.binary(max_size=8)), max_size=8))
def test_hex_records_with_right_checksums_in_any_order(records: list[tuple[int, int, bytes]]) -> None:
    lines = []
    for kind, address, body in records:
        raw = bytes((len(body), address >> 8, address & 0xFF, kind)) + body
        lines.append(":" + (raw + bytes((-sum(raw) & 0xFF,))).hex().upper())
    survives("hex", ("\n".join([*lines, ":00000001FF"]) + "\n").encode())


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_as_hex(data: bytes) -> None:
    survives("hex", data)


def test_a_hostile_elf_takes_little_memory(real_elf: bytes) -> None:
    """Sizes of 4 GiB in every place that has a size."""
    tracemalloc.start()
    for at in range(16, 52 + 32 * 8, 2):
        for value in (b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f"):
            survives("elf", real_elf[:at] + value + real_elf[at + 4 :])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20, f"{peak >> 20} MiB"
