"""The UF2 export, read back by a reader of our own that knows the format from its README alone."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from boardflash.cli import main
from boardflash.description.load import list_boards, load_board
from boardflash.errors import BoardflashError
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.image.model import RegionImage, Segment

BOARD = "stm32f746g-disco"
INTERNAL, WINDOW = 0x08000000, 0x90000000
STM32F7 = 0x53B80F00


@dataclass(frozen=True)
class Uf2:
    families: set[int]
    blocks: dict[int, bytes]
    order: list[int]


def read_uf2(data: bytes) -> Uf2:
    """Every rule of the format that concerns a file like ours; no line is shared with the writer."""
    assert len(data) % 512 == 0
    total = len(data) // 512
    families, blocks, order = set(), {}, []
    for index in range(total):
        piece = data[index * 512 : index * 512 + 512]
        word = [int.from_bytes(piece[at : at + 4], "little") for at in range(0, 32, 4)]
        assert piece[:4] == b"UF2\n" and word[1] == 0x9E5D5157
        assert piece[508:] == bytes.fromhex("306fb10a")
        flags, address, size, number, count, family = word[2:]
        assert flags == 0x2000, "family ID present, for main flash, no other flag"
        assert (number, count) == (index, total)
        assert address % 256 == 0 and size == 256
        assert not any(piece[32 + size : 508])
        assert address not in blocks
        families.add(family)
        blocks[address] = piece[32 : 32 + size]
        order.append(address)
    return Uf2(families, blocks, order)


def region(name: str, base: int, *runs: tuple[int, bytes]) -> RegionImage:
    segments = tuple(Segment(base + offset, data, "test") for offset, data in runs)
    return RegionImage(name, base, 0x100000, segments)


def exported(tmp_path: Path, *images: RegionImage) -> Uf2:
    (path,) = export(format_named("uf2"), ExportRequest(load_board(BOARD), tmp_path, images))
    assert path.name == f"{BOARD}.uf2"
    return read_uf2(path.read_bytes())


def test_both_regions_are_in_one_file_in_address_order(tmp_path: Path) -> None:
    code, pictures = random.Random(1).randbytes(1024), random.Random(2).randbytes(512)
    found = exported(tmp_path, region("qspi", WINDOW, (0, pictures)), region("internal", INTERNAL, (0, code)))
    assert found.families == {STM32F7}
    assert found.order == [INTERNAL + at for at in range(0, 1024, 256)] + [WINDOW, WINDOW + 256]
    assert b"".join(found.blocks[address] for address in found.order) == code + pictures


def test_no_block_tells_of_a_gap_and_a_page_in_part_is_filled_up(tmp_path: Path) -> None:
    found = exported(tmp_path, region("internal", INTERNAL, (0x10, b"abc"), (0x80, b"x"), (0x1FF, b"yz")))
    assert found.order == [INTERNAL, INTERNAL + 0x100, INTERNAL + 0x200]
    first = bytearray(b"\xff" * 256)
    first[0x10:0x13], first[0x80] = b"abc", ord("x")
    assert found.blocks[INTERNAL] == first
    assert found.blocks[INTERNAL + 0x100] == b"\xff" * 255 + b"y"
    assert found.blocks[INTERNAL + 0x200] == b"z" + b"\xff" * 255


def test_the_command_line_makes_it_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = random.Random(3).randbytes(1000)
    (tmp_path / "a.bin").write_bytes(image)
    argv = ["export", "uf2", f"{tmp_path / 'a.bin'}@{WINDOW:#x}", "--board", BOARD]
    assert main([*argv, "--output", str(tmp_path / "out")]) == 0
    path = Path(capsys.readouterr().out.strip())
    found = read_uf2(path.read_bytes())
    assert b"".join(found.blocks[at] for at in found.order) == image + b"\xff" * 24


def test_the_file_is_the_same_wherever_and_whenever_it_is_made(tmp_path: Path) -> None:
    images = (region("internal", INTERNAL, (0, b"abc")),)
    paths = [
        export(format_named("uf2"), ExportRequest(load_board(BOARD), tmp_path / name, images))[0]
        for name in ("one", "two")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_every_shipped_board_has_a_family(tmp_path: Path) -> None:
    for entry in list_boards():
        board = load_board(entry.name)
        images = (region("internal", INTERNAL, (0, b"abc")),)
        (path,) = export(format_named("uf2"), ExportRequest(board, tmp_path, images))
        (family,) = read_uf2(path.read_bytes()).families
        assert family == {"STM32F7": STM32F7, "STM32H7": 0x6DB66082}[board.part.number[:7]]


def test_a_part_without_a_family_is_refused(tmp_path: Path) -> None:
    board = load_board(BOARD)
    other = replace(board, part=replace(board.part, number="STM32Z123"))
    with pytest.raises(BoardflashError, match="UF2 has no family ID for STM32Z123"):
        export(
            format_named("uf2"), ExportRequest(other, tmp_path, (region("internal", INTERNAL, (0, b"a")),))
        )


def test_the_docs_show_what_the_command_prints(tmp_path: Path) -> None:
    """docs/export-uf2.md: the one line of output, with its path."""
    text = (Path(__file__).parents[2] / "docs" / "export-uf2.md").read_text(encoding="utf-8")
    command = re.search(r"^boardflash (export uf2 .*)$", text, re.M)
    assert command
    (tmp_path / "app.bin").write_bytes(b"x" * 300)
    words = command[1].replace("app.elf", "app.bin@0x08000000").split()
    done = subprocess.run(
        [sys.executable, "-m", "boardflash", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in text.splitlines()
