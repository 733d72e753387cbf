"""The basic table of real chips, read as the values that JESD216 and the makers' data sheets give."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.description.load import load_chip
from boardflash.description.model import QuadEnable
from boardflash.description.sfdp import basic_table, parameter_headers
from boardflash.errors import BoardflashError

DUMPS = Path(__file__).parent / "sfdp"


def dump(name: str) -> bytes:
    """`offset: bytes` lines; what lies between them reads FFh."""
    data = bytearray()
    for line in (DUMPS / f"{name}.hex").read_text(encoding="ascii").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        offset, _, text = line.partition(":")
        data += b"\xff" * (int(offset, 16) - len(data)) + bytes.fromhex(text)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "mib", "reads", "erases", "quad_enable", "page"),
    [
        ("w25q128jv", 16, {0xEB: (2, 4), 0x6B: (0, 8)}, {4: 0x20, 32: 0x52, 64: 0xD8}, "S2B1v4", 256),
        ("mt25ql01g", 128, {0xEB: (1, 9), 0x6B: (1, 7)}, {4: 0x20, 32: 0x52, 64: 0xD8}, "NONE", 256),
        ("is25lp128", 16, {0xEB: (2, 4), 0x6B: (0, 8)}, {4: 0x20, 32: 0x52, 64: 0xD8}, "S1B6", 256),
        ("w25q512nw", 64, {0xEB: (2, 4), 0x6B: (0, 8)}, {4: 0x20, 32: 0x52, 64: 0xD8}, "S2B1v5", 256),
        # JESD216 of 2011: nine DWORDs, so neither quad enable nor page size
        ("mx25l6445e", 8, {0xEB: (2, 4)}, {4: 0x20, 32: 0x52, 64: 0xD8}, None, None),
    ],
)
def test_the_basic_table_of_a_chip(
    name: str,
    mib: int,
    reads: dict[int, tuple[int, int]],
    erases: dict[int, int],
    quad_enable: str | None,
    page: int | None,
) -> None:
    table = basic_table(dump(name))
    assert table.size == mib << 20
    assert {read.opcode: (read.mode_cycles, read.dummy_cycles) for read in table.reads} == reads
    assert {erase.size // 1024: erase.opcode for erase in table.erases} == erases
    assert table.quad_enable == (QuadEnable(quad_enable) if quad_enable else None)
    assert table.page_size == page


def test_one_opcode_may_erase_several_sizes() -> None:
    table = basic_table(dump("sst26vf064b"))
    assert [(erase.size, erase.opcode) for erase in table.erases] == [
        (4096, 0x20),
        (8192, 0xD8),
        (32768, 0xD8),
        (65536, 0xD8),
    ]


def test_times_are_count_times_unit_and_the_maximum_a_multiple() -> None:
    table = basic_table(dump("w25q128jv"))
    assert [(erase.typ_ms, erase.max_ms) for erase in table.erases] == [(64, 896), (128, 1792), (160, 2240)]
    assert (table.page_typ_us, table.page_max_us, table.chip_erase_typ_ms) == (704, 4224, 40_000)
    table = basic_table(dump("mt25ql01g"))
    assert (table.page_typ_us, table.page_max_us, table.chip_erase_typ_ms) == (120, 2880, 128_000)


def test_address_bytes_and_revision() -> None:
    assert basic_table(dump("w25q128jv")).address_bytes == (3,)
    assert basic_table(dump("mt25ql01g")).address_bytes == (3, 4)
    assert (basic_table(dump("w25q128jv")).major, basic_table(dump("w25q128jv")).minor) == (1, 5)


def test_the_further_tables_of_a_chip() -> None:
    assert [header.identifier for header in parameter_headers(dump("mt25ql01g"))] == [0xFF00, 0xFF84]


def test_our_chip_file_agrees_with_what_the_chip_says() -> None:
    chip, table = load_chip("w25q128jv"), basic_table(dump("w25q128jv"))
    (read,) = [read for read in table.reads if read.opcode == chip.read.opcode]
    assert (chip.read.lines, chip.read.mode_cycles, chip.read.dummy_cycles) == (
        read.lines,
        read.mode_cycles,
        read.dummy_cycles,
    )
    assert (chip.size, chip.page_size, chip.quad_enable) == (table.size, table.page_size, table.quad_enable)
    assert {(e.size, e.opcode) for e in chip.erases} == {(e.size, e.opcode) for e in table.erases}


GOOD = dump("mx25l6445e")
HARMED = [
    (b"", 'SFDP: expected the signature 53 46 44 50 ("SFDP"), found nothing'),
    (b"\xff" * 64, 'SFDP: expected the signature 53 46 44 50 ("SFDP"), found FF FF FF FF'),
    (GOOD[:5] + b"\x02" + GOOD[6:], "SFDP: SFDP major revision 2; only 1 is known"),
    (GOOD[:20], "SFDP: ends inside parameter header 1 of 2"),
    (GOOD[:0x40], "SFDP: ends inside the basic table, which is 0x30 + 36 bytes"),
    (GOOD[:11] + b"\x04" + GOOD[12:], "SFDP: the basic table has 4 DWORDs; at least 9 are needed"),
    (GOOD[:12] + b"\x31" + GOOD[13:], "SFDP: the basic table begins at 0x31, which is not a multiple of 4"),
    (GOOD[:8] + b"\x84" + GOOD[9:], "SFDP: no basic parameter table (ID FF00h)"),
    (GOOD[:0x34] + b"\xff\xff\xff\xff" + GOOD[0x38:], "SFDP: a density of 2^2147483647 bits"),
]


@pytest.mark.parametrize(("data", "message"), HARMED, ids=[message for _, message in HARMED])
def test_a_harmed_table_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        basic_table(data)
    assert str(caught.value) == message
