"""UF2 files read: our own export comes back byte for byte, and no file is taken that is not whole."""

from __future__ import annotations

import hashlib
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.export.uf2 import encode
from boardflash.image.inputs import InputSpec, load_inputs
from boardflash.image.model import Contents, LeftOut, RegionImage, Segment
from boardflash.image.uf2 import load_uf2

PATH = Path("x.uf2")
F7, H7, RP2040 = 0x53B80F00, 0x6DB66082, 0xE48BFF56
PART = "STM32F746NG"


def block(
    number: int,
    count: int,
    address: int,
    data: bytes,
    *,
    family: int | None = F7,
    flags: int = 0,
    size: int | None = None,
    md5: bytes = b"",
) -> bytes:
    """A block as the format's description has it, of no constant of the reader."""
    flags |= 0x2000 if family is not None else 0
    head = struct.pack(
        "<4s7I",
        b"UF2\n",
        0x9E5D5157,
        flags | (0x4000 if md5 else 0),
        address,
        len(data) if size is None else size,
        number,
        count,
        family or 0,
    )
    return head + data.ljust(476 - len(md5), b"\xff") + md5 + bytes.fromhex("306fb10a")


def load(*blocks: bytes, part: str = PART) -> list[tuple[int, bytes]]:
    return [(s.address, s.data) for s in contents(*blocks, part=part).segments]


def contents(*blocks: bytes, part: str = PART) -> Contents:
    return load_uf2(PATH, b"".join(blocks), part)


def refusal(*blocks: bytes, part: str = PART) -> str:
    with pytest.raises(BoardflashError) as caught:
        load(*blocks, part=part)
    return str(caught.value)


A, B = block(0, 2, 0x0800_0000, b"ab"), block(1, 2, 0x9000_0000, bytes(range(238)) * 2)


def test_blocks_may_come_in_any_order_and_twice() -> None:
    expected = [(0x0800_0000, b"ab"), (0x9000_0000, bytes(range(238)) * 2)]
    assert load(A, B) == load(B, A) == load(B, A, B) == expected
    assert contents(A, B).left_out == ()


def test_a_file_without_a_family_is_taken() -> None:
    assert load(block(0, 1, 0x0800_0000, b"a", family=None)) == [(0x0800_0000, b"a")]


def test_blocks_that_touch_are_one_segment_and_equal_bytes_one() -> None:
    found = load(
        block(2, 3, 0x0800_0004, b"efgh"),
        block(0, 3, 0x0800_0000, b"abcd"),
        block(1, 3, 0x0800_0002, b"cdef"),
    )
    assert found == [(0x0800_0000, b"abcdefgh")]


def test_blocks_that_are_not_for_main_flash_count_and_are_told() -> None:
    aside = [block(n, 3, 0x0800_1000 + 4 * n, b"note", flags=1) for n in (1, 2)]
    found = contents(block(0, 3, 0x0800_0000, b"a"), *aside)
    assert [(s.address, s.data) for s in found.segments] == [(0x0800_0000, b"a")]
    assert found.left_out == (LeftOut(0x0800_1004, 8, "x.uf2 block 1", 'has the UF2 flag "not main flash"'),)


def test_extension_tags_are_passed_over() -> None:
    tagged = bytearray(
        block(0, 1, 0x0800_0000, b"abcd" + bytes.fromhex("09bcc79f302e312e32000000"), flags=0x8000)
    )
    tagged[16:20] = (4).to_bytes(4, "little")
    assert load(bytes(tagged)) == [(0x0800_0000, b"abcd")]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((A,), ": 1 of 2 blocks are missing, the first is number 1: the file is not whole"),
        ((B,), ": 1 of 2 blocks are missing, the first is number 0: the file is not whole"),
        (
            (block(5, 0xFFFF_FFFF, 0, b"a"),),
            ": 4294967294 of 4294967295 blocks are missing, the first is number 0: the file is not whole",
        ),
        ((A, B[:-1]), ": 1023 bytes are no whole number of 512-byte UF2 blocks: the file is cut off"),
        ((), ": 0 bytes are no whole number of 512-byte UF2 blocks: the file is cut off"),
        ((A, b"x" + B[1:]), ": block 1: is no UF2 block: its magic numbers are wrong"),
        ((A, B[:4] + b"x" + B[5:]), ": block 1: is no UF2 block: its magic numbers are wrong"),
        ((A[:-1] + b"x", B), ": block 0: is no UF2 block: its magic numbers are wrong"),
        ((A, B, block(0, 2, 0x0800_0000, b"ac")), ": block 2: has number 0, as block 0 has, and differs"),
        ((A, B, block(0, 2, 0x0800_0001, b"ab")), ": block 2: has number 0, as block 0 has, and differs"),
        ((A, block(1, 3, 0, b"b")), ": block 1: says that there are 3 blocks, and others say 2"),
        ((block(2, 2, 0, b"a"),), ": block 0: has number 2 of 2; the first number is 0"),
        ((block(0, 1, 0, b"a", size=477),), ": block 0: says that it holds 477 bytes; it has room for 476"),
        (
            (block(0, 1, 0, b"a", size=453, md5=bytes(24)),),
            ": block 0: says that it holds 453 bytes; it has room for 452",
        ),
        (
            (block(0, 1, 0, b"a", flags=0x1000),),
            ": block 0: carries a file for a file system, no flash contents",
        ),
        ((block(0, 1, 0, b"a", flags=0x10006),), ": block 0: has flags that are not known, 0x00010006"),
        (
            (block(0, 2, 0x0800_0000, b"abcd"), block(1, 2, 0x0800_0003, b"x")),
            ": block 1: gives 78h for 0x08000003, and block 0 gives 64h",
        ),
        (
            (block(0, 1, 0xFFFF_FFFF, b"ab"),),
            ": block 0: data at 0xffffffff lies beyond the 32-bit address space",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_block(blocks: tuple[bytes, ...], message: str) -> None:
    assert refusal(*blocks) == f"{PATH}{message}"


@pytest.mark.parametrize(
    ("family", "part", "message"),
    [
        (RP2040, "", "is for RP2040 (0xe48bff56), not for an STM32"),
        (RP2040, PART, "is for RP2040 (0xe48bff56), not for STM32F746NG"),
        (H7, PART, "is for STM32H7 (0x6db66082), not for STM32F746NG"),
        (0x57755A57, PART, "is for STM32F4 (0x57755a57), not for STM32F746NG"),
        (0x12345678, PART, "is for the unknown family 0x12345678, not for STM32F746NG"),
        (0x12345678, "", "is for the unknown family 0x12345678, not for an STM32"),
    ],
)
def test_a_file_for_another_mcu_is_refused_by_its_name(family: int, part: str, message: str) -> None:
    assert refusal(block(0, 1, 0, b"a", family=family), part=part) == f"x.uf2: {message}"


def test_any_stm32_is_taken_where_the_part_is_not_known() -> None:
    assert load(block(0, 1, 0, b"a", family=H7), part="") == [(0, b"a")]
    assert load(block(0, 1, 0, b"a", family=H7), part="STM32H743ZI") == [(0, b"a")]


def test_of_files_for_several_mcus_put_together_that_for_the_part_is_taken() -> None:
    others = [block(n, 2, 0x1000_0000 + n, b"r", family=RP2040) for n in (0, 1)]
    found = contents(others[0], A, others[1], B)
    assert [s.address for s in found.segments] == [0x0800_0000, 0x9000_0000]
    assert found.left_out == (LeftOut(0x1000_0000, 2, "x.uf2 block 0", "is for RP2040 (0xe48bff56)"),)
    both = [A, B, block(0, 1, 0x0800_0000, b"h", family=H7)]
    assert load(*both, part="STM32H743ZI") == [(0x0800_0000, b"h")]
    assert refusal(*both, part="") == (
        "x.uf2: holds contents for STM32F7 (0x53b80f00), STM32H7 (0x6db66082), and which of them is meant is"
        " not known; name a file for one"
    )
    assert refusal(others[0], block(0, 1, 0, b"h", family=H7)) == (
        "x.uf2: is for RP2040 (0xe48bff56), STM32H7 (0x6db66082), not for STM32F746NG"
    )


def md5(address: int, size: int, data: bytes) -> bytes:
    return struct.pack("<II", address, size) + hashlib.md5(data).digest()


def test_an_md5_sum_is_checked_where_the_file_has_its_region() -> None:
    whole = bytes(range(200)) * 4
    entry = md5(0x0800_0100, 500, whole[0x100:756])
    parts = [block(n, 2, 0x0800_0000 + 400 * n, whole[400 * n : 400 * n + 400], md5=entry) for n in (0, 1)]
    assert load(*parts) == [(0x0800_0000, whole)]
    for at in (32 + 0x100, 32 + 399):
        damaged = bytearray(parts[0])
        damaged[at] ^= 1
        assert refusal(bytes(damaged), parts[1]) == (
            "x.uf2: block 0: has an MD5 sum that its 500 bytes at 0x08000100 don't have: the file is damaged"
        )
    beyond = [block(n, 2, 0x0800_0000 + 400 * n, bytes(400), md5=md5(0x0800_0000, 801, b"")) for n in (0, 1)]
    assert load(*beyond) == [(0x0800_0000, bytes(800))]
    before = block(0, 1, 0x0800_0000, bytes(4), md5=md5(0x07FF_FFFF, 2, b""))
    assert load(before) == [(0x0800_0000, bytes(4))]


def test_md5_sums_without_end_are_not_computed() -> None:
    data = bytes(400)
    parts = [
        block(n, 3, 0x0800_0000 + 400 * n, data, md5=md5(0x0800_0000, 1200 - n, bytes(1200 - n)))
        for n in range(3)
    ]
    assert refusal(*parts) == (
        "x.uf2: block 1: has an MD5 sum for a region that overlaps that of another block"
    )


def exported(runs: list[tuple[int, bytes]]) -> bytes:
    image = RegionImage("qspi", 0x9000_0000, 0x100_0000, tuple(Segment(a, d, "x") for a, d in runs))
    return encode([image], F7)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=600)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_what_our_export_writes_is_read_back(parts: list[tuple[int, bytes]], chance: random.Random) -> None:
    runs: list[tuple[int, bytes]] = []
    for offset, data in sorted(parts):
        if not runs or 0x9000_0000 + offset > runs[-1][0] + len(runs[-1][1]):
            runs.append((0x9000_0000 + offset, data))
    data = exported(runs)
    blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
    chance.shuffle(blocks)
    found = load(*blocks)
    memory = {a + i: byte for a, d in found for i, byte in enumerate(d)}
    given_bytes = {a + i: byte for a, d in runs for i, byte in enumerate(d)}
    assert {a: memory[a] for a in given_bytes} == given_bytes
    assert {memory[a] for a in memory.keys() - given_bytes.keys()} <= {0xFF}
    pages = {a // 256 for a in given_bytes}
    assert memory.keys() == {p * 256 + i for p in pages for i in range(256)}


def test_an_exported_file_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    path.write_bytes(exported([(0x9000_0000, b"picture" * 100)]))
    ((_, found),) = load_inputs([InputSpec(path)], PART)
    assert found.segments[0].data == (b"picture" * 100).ljust(768, b"\xff")
    with pytest.raises(BoardflashError, match=r"is for STM32F7 .*, not for STM32H743ZI"):
        load_inputs([InputSpec(path)], "STM32H743ZI")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_file_gives_one_line_or_as_many_bytes_as_it_has(data: st.DataObject) -> None:
    original = exported([(0x9000_0000, bytes(700)), (0x9000_2000, b"x" * 300)])
    out = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = 512 * data.draw(st.integers(0, len(out) // 512 - 1)) + data.draw(
            st.integers(0, 31) | st.integers(0, 511)
        )
        out[at] = data.draw(st.integers(0, 255))
    if data.draw(st.integers(0, 4)) == 0:
        del out[data.draw(st.integers(0, len(out))) :]
    try:
        found = load(bytes(out))
    except BoardflashError as error:
        assert str(error).isprintable() and len(str(error)) < 300
    else:
        assert sum(len(d) for _, d in found) <= len(out)
        if all(a == b for at, (a, b) in enumerate(zip(original, out, strict=True)) if at % 512 < 32):
            payload = b"".join(bytes(out[at + 32 : at + 288]) for at in range(0, len(out), 512))
            assert b"".join(d for _, d in found) == payload


def test_memory_is_a_small_multiple_of_the_file() -> None:
    count = 4000
    scattered = b"".join(block(n, count, (count - n) << 18, bytes(256)) for n in range(count))
    tracemalloc.start()
    found = load(scattered)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == count
    assert peak < 4 * len(scattered), (peak, len(scattered))
