"""The framing of the GDB remote protocol: GDB manual, "Overview" of the remote protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardflash.sim.serve.rsp import Acknowledged, Damaged, Decoder, Interrupt, Packet, encode, number


def events(data: bytes) -> list[object]:
    return list(Decoder().feed(data))


def test_a_packet_carries_the_sum_of_its_bytes() -> None:
    assert encode(b"OK") == b"$OK#9a"
    assert encode(b"") == b"$#00"


def test_special_bytes_are_escaped_and_count_as_sent() -> None:
    assert encode(b"#$}*") == b"$}\x03}\x04}]}\x0a#%02x" % (sum(b"}\x03}\x04}]}\x0a") & 0xFF)


@given(st.binary(max_size=300))
def test_what_is_encoded_is_decoded(payload: bytes) -> None:
    assert events(encode(payload)) == [Packet(payload)]


@given(st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 9))
def test_packets_may_be_cut_anywhere(first: bytes, second: bytes, cut: int) -> None:
    stream = b"+" + encode(first) + b"\x03" + encode(second)
    decoder = Decoder()
    seen = [e for i in range(0, len(stream), cut) for e in decoder.feed(stream[i : i + cut])]
    assert seen == [Acknowledged(True), Packet(first), Interrupt(), Packet(second)]


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"$"), st.just(b"#00"), st.just(b"}"))))
def test_no_bytes_upset_the_decoder(parts: list[bytes]) -> None:
    decoder = Decoder()
    for part in parts:
        list(decoder.feed(part))
    list(decoder.feed(b"#zz"))  # ends whatever had begun
    assert Packet(b"?") in list(decoder.feed(b"#zz" + encode(b"?")))


@pytest.mark.parametrize("raw", [b"$OK#9b", b"$OK#zz", b"$a}#de", b"$OK#+a"])
def test_a_damaged_packet_is_told_from_a_sound_one(raw: bytes) -> None:
    assert events(raw) == [Damaged()]


def test_a_packet_that_was_broken_off_gives_way_to_the_next() -> None:
    assert events(b"$m200" + encode(b"?")) == [Packet(b"?")]


def test_a_packet_without_end_is_dropped() -> None:
    decoder = Decoder()
    seen = [e for _ in range(80) for e in decoder.feed(b"$" + b"a" * 999)]
    assert Damaged() in seen
    assert list(decoder.feed(b"#00" + encode(b"?")))[-1] == Packet(b"?")


def test_acknowledgements_and_interrupts_stand_between_packets() -> None:
    assert events(b"+-\x03x") == [Acknowledged(True), Acknowledged(False), Interrupt()]


@pytest.mark.parametrize("text", ["", "-1", "1_0", " 1", "0x10", "123456789", "g"])
def test_numbers_are_plain_hexadecimal(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number(text)
