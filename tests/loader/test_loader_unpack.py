"""Data that is not sent as it is: LZ4 blocks that the loader expands, bytes that the device has, samples."""

from __future__ import annotations

import lz4.block
import pytest
from benches import BASE, REGIONS, SIZE, Bench, noise

from boardflash.loader.protocol import REGION_INTERNAL, REGION_QSPI, Command, Operation, Status

KIB = 1024
AT = 0x1_0000  # where in each region
OUT = 0x1_8000  # where in the buffers an LZ4 block expands

region_of = pytest.mark.parametrize("region", REGIONS, ids=["internal", "qspi"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


# LZ4 block format description, rev. 2022-07-31


def length_bytes(length: int) -> bytes:
    """What goes on behind a nibble of 15."""
    if length < 15:
        return b""
    more, last = divmod(length - 15, 255)
    return b"\xff" * more + bytes([last])


def sequence(literals: bytes, distance: int | None = None, match: int = 4) -> bytes:
    """Literals, and a match unless it is the last one."""
    nibbles = min(len(literals), 15) << 4 | (min(match - 4, 15) if distance is not None else 0)
    out = bytes([nibbles]) + length_bytes(len(literals)) + literals
    if distance is not None:
        out += distance.to_bytes(2, "little") + length_bytes(match - 4)
    return out


def by_hand(*parts: tuple[bytes, int, int] | bytes) -> tuple[bytes, bytes]:
    """A block of (literals, distance, match) and last literals, and what it stands for."""
    block, data = b"", bytearray()
    for part in parts:
        literals, distance, match = part if isinstance(part, tuple) else (part, 0, 0)
        block += sequence(literals, distance or None, match)
        data += literals
        for _ in range(match):
            data.append(data[-distance])
    assert lz4.block.decompress(block, uncompressed_size=len(data)) == data
    return block, bytes(data)


def whole(size: int, *parts: tuple[bytes, int, int]) -> tuple[bytes, bytes]:
    """The same, with literals at the end that make it `size` bytes."""
    return by_hand(*parts, noise(size - sum(len(literals) + match for literals, _, match in parts), 9))


def packed(data: bytes) -> tuple[bytes, bytes]:
    return lz4.block.compress(data, store_size=False), data


BLOCKS = {
    "4 bytes": (sequence(b"\x12\x34\x56\x78"), b"\x12\x34\x56\x78"),
    **{f"{n} literals": (sequence(noise(n)), noise(n)) for n in (12, 16, 268, 272, 276, 528)},
    **{f"{n} literals and a match": whole(600, (noise(n), 3, 4)) for n in (14, 15, 269, 270)},
    **{f"a match of {n}": whole(600, (noise(9), 8, n)) for n in (18, 19, 273, 274, 530)},
    "one byte again and again": whole(2400, (b"\x3c", 1, 2000)),
    "three bytes again and again": whole(3200, (b"abc", 3, 3001)),
    "matches only": whole(1000, (noise(20), 20, 40), *[(b"", 7, 90)] * 9),
    "as far back as can be": whole(66_052, (noise(600) + b"\xff", 1, 65_535 - 601), (b"", 65_535, 300)),
    "blank pages": packed(noise(300) + b"\xff" * 2000 + noise(900, 2) + b"\xff" * 896),
    "64 KiB of short runs": packed(b"".join(bytes([n % 251]) * 64 for n in range(KIB))),
}


@region_of
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_programmed_as_what_it_stands_for(bench: Bench, region: int, name: str) -> None:
    block, data = BLOCKS[name]
    bench.write_ram(bench.base, block)
    command = Command(Operation.PROGRAM_LZ4, BASE[region] + AT, len(data), bench.base, bench.base + OUT)
    bench.run(region, command)
    blank = b"\xff" * KIB
    assert bench.holds(region, AT - KIB, len(data) + 2 * KIB) == blank + data + blank
    assert not bench.board.violations


@pytest.mark.parametrize("offset", [3, 255, 256])
def test_a_block_may_go_anywhere_in_a_page(bench: Bench, offset: int) -> None:
    data = b"".join(bytes([n % 251]) * 7 for n in range(301))
    bench.write_ram(bench.base, packed(data)[0])
    place = BASE[REGION_QSPI] + AT + offset
    bench.run(REGION_QSPI, Command(Operation.PROGRAM_LZ4, place, len(data), bench.base, bench.base + OUT))
    expected = b"\xff" * offset + data + b"\xff" * 256
    assert bench.holds(REGION_QSPI, AT, len(expected)) == expected


def test_both_memories_expand_at_the_same_time(bench: Bench) -> None:
    data = {region: bytes([0x11 * (region + 1)]) * 50 + noise(30, region) for region in REGIONS}
    data = {region: part * 64 for region, part in data.items()}
    for region in REGIONS:
        buffer = bench.base + 0x2_0000 * region
        bench.write_ram(buffer, packed(data[region])[0])
    numbers = {}
    for region in REGIONS:
        buffer = bench.base + 0x2_0000 * region
        numbers[region] = bench.session.submit(
            region,
            Command(Operation.PROGRAM_LZ4, BASE[region] + AT, len(data[region]), buffer, buffer + 0x8000),
        )
    for region, number in numbers.items():
        bench.session.wait(region, number, 10)
        assert bench.holds(region, AT, len(data[region])) == data[region]


LENGTH = 512
MALFORMED = {
    "distance 0": sequence(noise(300), 0, 100) + sequence(noise(112)),
    "distance before the start": sequence(noise(300), 301, 100) + sequence(noise(112)),
    "distance before the start, far": sequence(noise(8), 65535, 400) + sequence(noise(104)),
    "match past the end": sequence(noise(300), 4, 213),
    "match far past the end": sequence(noise(300), 1, 60_000),
    "literals past the end": sequence(noise(300), 4, 100) + sequence(noise(113)),
    "literals far past the end": b"\xf0" + b"\xff" * 200 + b"\x00" + noise(20_000),
}


CASES = [
    pytest.param(
        region,
        name,
        id=f"{name}-{'qspi' if region == REGION_QSPI else 'internal'}",
    )
    for name in MALFORMED
    for region in REGIONS
]


@pytest.mark.parametrize(("region", "name"), CASES)
def test_what_is_no_block_of_that_length_is_refused(bench: Bench, region: int, name: str) -> None:
    """And nothing beside the expansion buffer is overwritten."""
    filled = noise(bench.end - bench.base, 5)
    block = MALFORMED[name]
    filled = block + filled[len(block) :]
    bench.write_ram(bench.base, filled)
    out = bench.base + OUT
    command = Command(Operation.PROGRAM_LZ4, BASE[region] + AT, LENGTH, bench.base, out)
    assert bench.refusal(region, command) == Status.BAD_COMMAND
    ram = bench.read_ram(bench.base, len(filled))
    assert ram[:OUT] == filled[:OUT]
    assert ram[OUT + LENGTH :] == filled[OUT + LENGTH :]
    blank = b"\xff" * (64 * KIB)
    assert bench.holds(region, AT - len(blank), len(blank)) == blank
    assert bench.holds(region, AT + LENGTH, len(blank)) == blank
    # The loader is none the worse for it.
    good = sequence(b"\x12\x34\x56\x78")
    bench.write_ram(bench.base, good + bytes(-len(good) % 4))
    bench.run(region, Command(Operation.PROGRAM_LZ4, BASE[region] + 0x2_0000, 4, bench.base, out))
    assert bench.holds(region, 0x2_0000, 4) == b"\x12\x34\x56\x78"


# Copies


@region_of
@pytest.mark.parametrize(("source", "to", "size"), [(0, 0x8000, 4096), (0x1004, 0x8104, 1000), (0, 4, 4)])
def test_copied_bytes_are_those_of_the_source(
    bench: Bench, region: int, source: int, to: int, size: int
) -> None:
    data = noise(size)
    bench.put(region, AT + source, data)
    bench.run(
        region, Command(Operation.COPY, BASE[region] + AT + to, size, bench.base, BASE[region] + AT + source)
    )
    assert bench.holds(region, AT + to, size + 256) == data + b"\xff" * 256
    assert bench.holds(region, AT + source, size) == data
    assert not bench.board.violations


def test_a_copy_begins_and_ends_anywhere_on_the_chip(bench: Bench) -> None:
    data = noise(1001)
    bench.put(REGION_QSPI, 77, data)
    window = BASE[REGION_QSPI]
    bench.run(REGION_QSPI, Command(Operation.COPY, window + AT + 130, 1001, bench.base, window + 77))
    assert bench.holds(REGION_QSPI, AT, 1200) == b"\xff" * 130 + data + b"\xff" * 69


@region_of
@pytest.mark.parametrize(
    ("to", "size", "source"),
    [
        (AT, 4096, -4),
        (AT, 4096, -4096),
        (AT, 4096, "end - 4092"),
        (AT, 4096, "end"),
        (AT, 0xFFFF_F000, 0),
        ("end - 4092", 4096, 0),
        (-4, 4096, 0),
        (AT, 0, 0),
    ],
)
def test_a_copy_from_or_to_beyond_the_memory_is_refused(
    bench: Bench, region: int, to: int | str, size: int, source: int | str
) -> None:
    def place(where: int | str) -> int:
        if isinstance(where, str):
            return BASE[region] + SIZE[region] - int(where.removeprefix("end").replace(" - ", "") or 0)
        return BASE[region] + where

    bench.put(region, 0, noise(4096))
    ram = bench.read_ram(bench.base, 8192)
    before = bytes(bench.array(region))
    command = Command(Operation.COPY, place(to), size, bench.base, place(source))
    assert bench.refusal(region, command) == Status.BAD_COMMAND
    assert bytes(bench.array(region)) == before
    if isinstance(source, str) or source < 0:
        assert bench.read_ram(bench.base, 8192) == ram


def test_internal_flash_is_copied_in_words_only(bench: Bench) -> None:
    bench.put(REGION_INTERNAL, 0, noise(4096))
    base = BASE[REGION_INTERNAL]
    for to, size, source in ((AT, 256, 2), (AT + 2, 256, 0), (AT, 254, 0)):
        command = Command(Operation.COPY, base + to, size, bench.base, base + source)
        assert bench.refusal(REGION_INTERNAL, command) == Status.BAD_COMMAND
    assert bench.holds(REGION_INTERNAL, AT, 512) == b"\xff" * 512


# Samples


@region_of
@pytest.mark.parametrize(("start", "length", "distance"), [(0, 32 * KIB, 4096), (300, 2000, 256), (3, 9, 5)])
def test_a_sample_is_the_first_word_of_each_piece(
    bench: Bench, region: int, start: int, length: int, distance: int
) -> None:
    content = noise(64 * KIB)
    bench.put(region, AT, content)
    places = range(start, start + length, distance)
    bench.write_ram(bench.base, bytes(4 * len(places) + 64))
    bench.run(region, Command(Operation.SAMPLE, BASE[region] + AT + start, length, bench.base, distance))
    words = b"".join(content[at : at + 4] for at in places)
    assert bench.read_ram(bench.base, len(words) + 64) == words + bytes(64)
    assert not bench.board.violations


@region_of
def test_a_sample_of_the_last_word(bench: Bench, region: int) -> None:
    bench.put(region, SIZE[region] - 4, b"\x01\x02\x03\x04")
    bench.run(region, Command(Operation.SAMPLE, BASE[region] + SIZE[region] - 4, 4, bench.base, 4096))
    assert bench.read_ram(bench.base, 4) == b"\x01\x02\x03\x04"


@region_of
@pytest.mark.parametrize(
    ("start", "length", "distance"),
    [(0, 0, 4096), (0, 4096, 0), (0, 4096, 3), (-4, 4096, 256), ("end", 4, 4), ("end", 8, 4096)],
)
def test_a_senseless_sample_is_refused(
    bench: Bench, region: int, start: int | str, length: int, distance: int
) -> None:
    address = BASE[region] + (SIZE[region] if isinstance(start, str) else start)
    command = Command(Operation.SAMPLE, address, length, bench.base, distance)
    assert bench.refusal(region, command) == Status.BAD_COMMAND
