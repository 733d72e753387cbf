"""Which granules differ, and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boardflash.image.model import Piece, RegionImage, Segment, digest_of
from boardflash.plan.difference import Reason, blank_digest, compare

BASE = 0x9000_0000
GRANULE = 64


def image_of(*runs: tuple[int, bytes]) -> RegionImage:
    return RegionImage("qspi", BASE, 0x1000, tuple(Segment(BASE + at, data, "test") for at, data in runs))


def answers(image: RegionImage, device: bytes) -> dict[tuple[int, int], bytes]:
    """What a loader with these flash contents would answer for the image's pieces."""
    return {
        (p.address, p.size): digest_of(device[p.address - BASE : p.end - BASE]) for p in image.pieces(GRANULE)
    }


def test_a_device_that_holds_the_image_has_no_differences() -> None:
    image = image_of((0, bytes(200)))
    assert compare(image, GRANULE, answers(image, bytes(0x1000))) == ()


def test_each_difference_has_its_reason() -> None:
    image = image_of((0, bytes(3 * GRANULE)))
    device = answers(image, bytes(GRANULE) + b"\xff" * GRANULE + b"x" * GRANULE)
    assert [(d.address - BASE, d.reason, str(d.reason)) for d in compare(image, GRANULE, device)] == [
        (GRANULE, Reason.BLANK, "device is blank here"),
        (2 * GRANULE, Reason.DIGEST_DIFFERS, "digest differs"),
    ]


def test_a_missing_answer_never_counts_as_equal() -> None:
    image = image_of((0, bytes(GRANULE)))
    assert [d.reason for d in compare(image, GRANULE, {})] == [Reason.NO_DIGEST]


def test_swapped_bytes_are_a_difference() -> None:
    image = image_of((0, b"ab" * 32))
    device = {(p.address, p.size): digest_of(b"ba" * 32) for p in image.pieces(GRANULE)}
    assert len(compare(image, GRANULE, device)) == 1


def test_blank_digest_is_that_of_erased_flash() -> None:
    assert blank_digest(100) == digest_of(b"\xff" * 100)


def test_bytes_between_the_runs_do_not_count() -> None:
    image = image_of((0, b"a" * 10), (20, b"b" * 10))
    device = bytearray(b"?" * 0x1000)
    device[0:10], device[20:30] = b"a" * 10, b"b" * 10
    assert compare(image, GRANULE, answers(image, bytes(device))) == ()


@given(st.data())
def test_exactly_the_granules_with_changed_bytes_differ(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, 200))
    body = data.draw(st.binary(min_size=1, max_size=400))
    image = image_of((start, body))
    device = bytearray(0x1000)
    device[start : start + len(body)] = body
    changed = data.draw(st.sets(st.integers(start, start + len(body) - 1), max_size=5))
    for at in changed:
        device[at] ^= data.draw(st.integers(1, 255))
    found = {(d.address - BASE) // GRANULE for d in compare(image, GRANULE, answers(image, bytes(device)))}
    assert found == {at // GRANULE for at in changed}


def test_a_piece_is_named_by_address_and_size() -> None:
    (piece,) = image_of((5, b"abc")).pieces(GRANULE)
    assert piece == Piece(BASE + 5, 3, digest_of(b"abc"))
