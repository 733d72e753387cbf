"""Segments to regions: every byte once, nothing across, nothing lost."""

from __future__ import annotations

from pathlib import Path

import intelhex
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardflash.errors import BoardflashError
from boardflash.image.model import MemoryRange, RegionImage, Segment, digest_of
from boardflash.image.split import merge, split, write_region_files

INTERNAL = MemoryRange("internal", 0x0800_0000, 0x1000)
QSPI = MemoryRange("qspi", 0x9000_0000, 0x2000)
REGIONS = (INTERNAL, QSPI)
RAM = (MemoryRange("RAM", 0x2000_0000, 0x1000),)


def seg(address: int, data: bytes, source: str = "app.elf: .text") -> Segment:
    return Segment(address, data, source)


def refusal(*segments: Segment) -> str:
    with pytest.raises(BoardflashError) as caught:
        split(segments, REGIONS, RAM)
    return str(caught.value)


def test_each_region_has_its_own_image() -> None:
    result = split([seg(QSPI.base, b"art"), seg(INTERNAL.base, b"code")], REGIONS, RAM)
    assert [(i.name, i.base, i.size, i.to_bin()) for i in result.images] == [
        ("internal", INTERNAL.base, INTERNAL.size, b"code"),
        ("qspi", QSPI.base, QSPI.size, b"art"),
    ]


def test_a_region_without_bytes_has_no_image() -> None:
    assert [i.name for i in split([seg(QSPI.base, b"art")], REGIONS).images] == ["qspi"]


def test_a_ram_segment_is_skipped_and_said_so() -> None:
    result = split([seg(0x2000_0010, b"ram"), seg(QSPI.base, b"art")], REGIONS, RAM)
    assert [(s.size, s.reason) for s in result.left_out] == [
        (3, "its load address is in RAM (RAM), not in flash")
    ]


def test_a_segment_without_bytes_is_skipped_wherever_it_lies() -> None:
    result = split([seg(0x1234, b""), seg(QSPI.base, b"art")], REGIONS, RAM)
    assert result.left_out == ()


def test_a_segment_outside_every_region_is_refused() -> None:
    assert refusal(seg(0xC000_0000, b"sdram")) == (
        "app.elf: .text: 5 bytes at 0xc0000000 is in no region of the board "
        "(internal 0x08000000 to 0x08000fff, qspi 0x90000000 to 0x90001fff); "
        "mend the load address in the linker script or the address of the input"
    )


def test_without_ram_ranges_a_ram_segment_is_refused_like_any_other() -> None:
    with pytest.raises(BoardflashError, match="is in no region"):
        split([seg(0x2000_0000, b"ram")], REGIONS)


def test_a_segment_across_a_border_is_refused_with_the_border() -> None:
    assert refusal(seg(0x0800_0FFE, b"code")) == (
        "app.elf: .text: 4 bytes at 0x08000ffe crosses the end of internal, 0x08001000 "
        "(4096 bytes from 0x08000000); make it smaller or move it"
    )
    assert refusal(seg(0x8FFF_FFFF, b"art")) == (
        "app.elf: .text: 3 bytes at 0x8fffffff crosses the start of qspi, 0x90000000 "
        "(8192 bytes from 0x90000000); make it smaller or move it"
    )
    assert "crosses the end of RAM, 0x20001000" in refusal(seg(0x2000_0FFF, b"ram"))


def test_a_segment_that_ends_with_the_region_fits() -> None:
    assert split([seg(INTERNAL.end - 4, b"last")], REGIONS).images[0].address == INTERNAL.end - 4


def test_the_same_bytes_may_come_twice() -> None:
    boot, app = seg(QSPI.base, b"abcdef", "boot.elf"), seg(QSPI.base + 2, b"cdefgh", "app.hex")
    (image,) = split([app, boot], REGIONS).images
    assert image.to_bin() == b"abcdefgh"


def test_an_overlap_that_differs_names_both_inputs_and_the_address() -> None:
    boot, app = seg(QSPI.base, b"abcdef", "boot.elf"), seg(QSPI.base + 2, b"cdXf", "app.hex")
    message = (
        "app.hex: overlaps boot.elf and differs from it at 0x90000004 (58h here, 65h there); "
        "leave one of them out or move it"
    )
    assert refusal(boot, app) == message
    assert refusal(app, boot) == message


def test_an_overlap_in_ram_is_nobodys_business() -> None:
    result = split([seg(0x2000_0000, b"one"), seg(0x2000_0001, b"two"), seg(QSPI.base, b"x")], REGIONS, RAM)
    assert len(result.left_out) == 2


def test_gaps_read_as_erased_and_are_not_covered() -> None:
    (image,) = split([seg(QSPI.base + 2, b"ab"), seg(QSPI.base + 8, b"cd")], REGIONS).images
    assert image.to_bin() == b"ab\xff\xff\xff\xffcd"
    assert image.read(QSPI.base, 12) == b"\xff\xffab\xff\xff\xff\xffcd\xff\xff"
    assert image.covered(QSPI.base + 3, 6) == ((QSPI.base + 3, 1), (QSPI.base + 8, 1))
    assert (image.address, image.length, image.byte_count) == (QSPI.base + 2, 8, 4)


def test_region_files_hold_the_region_and_nothing_else(tmp_path: Path) -> None:
    parts = [seg(QSPI.base + 2, b"ab"), seg(INTERNAL.base, b"code"), seg(QSPI.base + 0x1F00, b"cd")]
    for image in split(parts, REGIONS).images:
        bin_path, hex_path = write_region_files(image, tmp_path / "out")
        assert (bin_path.name, hex_path.name) == (f"{image.name}.bin", f"{image.name}.hex")
        assert bin_path.read_bytes() == image.to_bin()
        oracle = intelhex.IntelHex(str(hex_path))
        assert oracle.segments() == [(run.address, run.end) for run in image.runs]
    assert sum(p.stat().st_size for p in (tmp_path / "out").glob("*.bin")) < 0x2010


def test_region_files_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    (image,) = split([seg(QSPI.base + 2, bytes(700))], REGIONS).images
    first = [p.read_bytes() for p in write_region_files(image, tmp_path / "one")]
    assert first == [p.read_bytes() for p in write_region_files(image, tmp_path / "two")]
    assert b"\r" not in first[1]


@st.composite
def scattered(draw: st.DrawFn) -> tuple[list[Segment], dict[int, int]]:
    """Segments cut from one truth, so that their overlaps agree."""
    truth: dict[int, int] = {}
    segments: list[Segment] = []
    for region in REGIONS:
        for _ in range(draw(st.integers(0, 6))):
            start = draw(st.integers(0, 0x800))
            size = draw(st.integers(0, 0x100))
            data = bytes((start + i) * 31 & 0xFF for i in range(size))
            segments.append(Segment(region.base + start, data, f"s{len(segments)}"))
            truth.update({region.base + start + i: byte for i, byte in enumerate(data)})
    return draw(st.permutations(segments)), truth


@settings(max_examples=200, deadline=None)
@given(scattered())
def test_every_byte_lands_exactly_once(drawn: tuple[list[Segment], dict[int, int]]) -> None:
    segments, truth = drawn
    result = split(segments, REGIONS)
    landed = [
        (run.address + i, byte) for m in result.images for run in m.runs for i, byte in enumerate(run.data)
    ]
    assert len(landed) == len(truth)
    assert dict(landed) == truth
    for image in result.images:
        for one, next_one in zip(image.runs, image.runs[1:], strict=False):
            assert one.end < next_one.address


@settings(max_examples=100, deadline=None)
@given(scattered(), st.randoms(use_true_random=False))
def test_the_order_of_segments_is_of_no_matter(
    drawn: tuple[list[Segment], dict[int, int]], chance: object
) -> None:
    segments, _ = drawn
    assert split(segments, REGIONS) == split(segments[::-1], REGIONS)


@settings(max_examples=200, deadline=None)
@given(scattered(), st.sampled_from([16, 64, 256, 4096]))
def test_pieces_recombine_to_the_image(drawn: tuple[list[Segment], dict[int, int]], granule: int) -> None:
    segments, truth = drawn
    for image in split(segments, REGIONS).images:
        seen: dict[int, int] = {}
        for piece in image.pieces(granule):
            assert (piece.address - image.base) // granule == (piece.end - 1 - image.base) // granule
            data = image.read(piece.address, piece.size)
            assert piece.digest == digest_of(data)
            assert image.covered(piece.address, piece.size) == ((piece.address, piece.size),)
            assert not seen.keys() & set(range(piece.address, piece.end))
            seen.update({piece.address + i: byte for i, byte in enumerate(data)})
        assert seen == {a: b for a, b in truth.items() if image.base <= a < image.end}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_contradiction_is_found(data: st.DataObject) -> None:
    one = data.draw(st.binary(min_size=1, max_size=60))
    start = data.draw(st.integers(0, len(one) - 1))
    other = bytearray(one[start:] + data.draw(st.binary(max_size=20)))
    wrong = data.draw(st.integers(0, len(one) - start - 1))
    other[wrong] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BoardflashError, match=f"differs from it at {QSPI.base + start + wrong:#010x}"):
        merge([seg(QSPI.base, one, "a"), seg(QSPI.base + start, bytes(other), "b")])


def test_a_digest_is_blake2s_with_128_bits() -> None:
    """First 16 bytes of RFC 7693's parameter block differ by length, so this is no truncated BLAKE2s-256."""
    image = RegionImage("qspi", QSPI.base, QSPI.size, (seg(QSPI.base, b"abc"),))
    (piece,) = image.pieces(0x1000)
    assert piece.digest.hex() == "aa4938119b1dc7b87cbad0ffd200d0ae"
