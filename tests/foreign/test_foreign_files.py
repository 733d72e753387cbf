"""What a loader's file says, and the one line for each file that is not as it has to be."""

# ruff: noqa: E501 -- a message stands on one line, as its reader sees it

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.foreign.layout import BUFFER_MAX, lay_out
from boardflash.foreign.model import Limits, Loader, Sectors
from boardflash.foreign.read import read_loader
from foreign.foreign_rig import board_text, our_flm, write_board
from foreign.loaders import INTERNAL_FLM, build_tiny

RAM = (0x2000_0000, 320 * 1024)


def complaint(path: Path) -> str:
    with pytest.raises(BoardflashError) as caught:
        read_loader(path, "vendor/X")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(path: Path, to: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    to.write_bytes(data.replace(old, new))
    return to


def test_our_own_flash_algorithm_is_read(shelf: Path) -> None:
    loader = read_loader(our_flm(shelf / "ours"))
    assert loader.format == "FLM" and not loader.fixed
    assert loader.device.name == "stm32f746g-disco QSPI"
    assert (loader.device.base, loader.device.size, loader.device.page_size) == (0x9000_0000, 16 << 20, 4096)
    assert loader.device.sectors == (Sectors(0x10000, 256),)
    assert loader.limits == Limits(init_ms=5000, erase_ms=3000, program_ms=80)
    assert loader.parts[0].address == 0
    assert loader.static_base == loader.parts[1].address


def test_a_flash_algorithm_with_sectors_of_three_sizes_is_read(internal_flm: Path) -> None:
    device = read_loader(internal_flm).device
    assert device.sectors == (Sectors(0x8000, 4), Sectors(0x20000, 1), Sectors(0x40000, 3))


def test_an_external_loader_is_read(tiny_stldr: Path) -> None:
    loader = read_loader(tiny_stldr)
    assert loader.format == "stldr" and loader.fixed
    assert loader.device.name == "tiny external memory"
    assert loader.device.sectors == (Sectors(0x1000, 0x1000),)
    assert loader.start == 0x2000_0004
    assert set(loader.functions) == {"Init", "SectorErase", "Write"}
    assert loader.static_base is None


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "X.FLM") == "vendor/X: no such file"


def test_another_kind_of_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "X.elf") == "vendor/X: a loader is a .FLM or a .stldr file"


def test_no_elf(tmp_path: Path) -> None:
    (tmp_path / "X.FLM").write_bytes(b"MZ this is something else")
    assert complaint(tmp_path / "X.FLM") == "vendor/X: not an ELF file; a .FLM and a .stldr are ELF files"


def test_every_cut_of_a_file_is_told_in_one_line(tiny_flm: Path, tmp_path: Path) -> None:
    data = tiny_flm.read_bytes()
    for size in range(4, len(data), 211):
        (tmp_path / "X.FLM").write_bytes(data[:size])
        assert complaint(tmp_path / "X.FLM").startswith("vendor/X: ")


def test_another_machine(tiny_flm: Path, tmp_path: Path) -> None:
    data = bytearray(tiny_flm.read_bytes())
    data[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    (tmp_path / "X.FLM").write_bytes(data)
    assert complaint(tmp_path / "X.FLM") == (
        "vendor/X: made for RISC-V, 32 bit, little-endian; a 32-bit little-endian Arm loader is expected"
    )


@pytest.mark.parametrize("name", ["FlashDevice", "Init", "UnInit", "EraseSector", "ProgramPage"])
def test_a_flash_algorithm_without_a_function(tiny_flm: Path, tmp_path: Path, name: str) -> None:
    old = b"\0" + name.encode() + b"\0"
    bad = changed(tiny_flm, tmp_path / "X.FLM", old, old.replace(b"i", b"q").replace(b"a", b"q"))
    assert complaint(bad) == f"vendor/X: symbol {name} is missing"


@pytest.mark.parametrize("name", ["StorageInfo", "Init", "SectorErase", "Write"])
def test_an_external_loader_without_a_function(tiny_stldr: Path, tmp_path: Path, name: str) -> None:
    old = b"\0" + name.encode() + b"\0"
    bad = changed(tiny_stldr, tmp_path / "X.stldr", old, old.replace(b"i", b"q").replace(b"a", b"q"))
    assert complaint(bad) == f"vendor/X: symbol {name} is missing"


def test_code_that_cannot_be_moved(tiny_flm: Path, tmp_path: Path) -> None:
    bad = changed(tiny_flm, tmp_path / "X.FLM", b"PrgCode", b"MyrCode")
    assert complaint(bad) == "vendor/X: section PrgCode is missing"


FLM_TABLES = [
    ({"EMPTY": "0x00u"}, "its erased bytes are 0x00; boardflash serves memories that erase to 0xff"),
    (
        {"SIZE": "0x00FFF800u"},
        "the sector table of FlashDevice does not fit its 0xfff800 bytes: sectors of 0x1000 from 0x0 to 0xfff800",
    ),
    (
        {"SECTORS": "{0x1000u, 0u}, {0x10000u, 0x2000000u}, {0xFFFFFFFFu, 0xFFFFFFFFu}"},
        "the sector table of FlashDevice does not fit its 0x1000000 bytes: sectors of 0x10000 from 0x2000000 to 0x1000000",
    ),
    (
        {"SECTORS": "{0x1000u, 0x1000u}, {0xFFFFFFFFu, 0xFFFFFFFFu}"},
        "the sector table of FlashDevice does not begin at offset 0",
    ),
    ({"SECTORS": "{0x1000u, 0u}"}, "the sector table of FlashDevice has no end mark"),
]


@pytest.mark.parametrize(("defines", "message"), FLM_TABLES)
def test_a_table_that_contradicts_itself(tmp_path: Path, defines: dict[str, str], message: str) -> None:
    assert complaint(build_tiny(tmp_path / "X.FLM", **defines)).startswith(f"vendor/X: {message}")


def test_an_external_loader_whose_sectors_are_not_its_size(tiny_stldr: Path, tmp_path: Path) -> None:
    head = (0x9000_0000).to_bytes(4, "little")
    bad = changed(
        tiny_stldr,
        tmp_path / "X.stldr",
        head + (0x0100_0000).to_bytes(4, "little"),
        head + (0x0200_0000).to_bytes(4, "little"),
    )
    assert complaint(bad) == (
        "vendor/X: the sector table of StorageInfo does not fit its 0x2000000 bytes: the sectors have 0x1000000"
    )


# In RAM


def test_nothing_overlaps_in_ram(tiny_flm: Path, tiny_stldr: Path) -> None:
    for path in (tiny_flm, tiny_stldr):
        loader = read_loader(path)
        layout = lay_out(loader, *RAM, "X")
        code = (loader.start + layout.offset, loader.end + layout.offset)
        stretches = sorted(
            [
                code,
                (layout.vectors, layout.vectors + len(layout.support())),
                (layout.canary, layout.stack_top),
                (layout.buffer, layout.buffer + layout.buffer_size),
            ]
        )
        assert all(a[1] <= b[0] for a, b in pairwise(stretches))
        assert stretches[0][0] >= RAM[0] and stretches[-1][1] <= sum(RAM)
        assert layout.vectors % 1024 == 0 and layout.stack_top % 8 == 0
        assert layout.buffer_size == BUFFER_MAX


def ram_complaint(loader: Loader, base: int, size: int) -> str:
    with pytest.raises(BoardflashError) as caught:
        lay_out(loader, base, size, "vendor/X")
    return str(caught.value)


def test_code_too_large_for_the_ram(tiny_flm: Path) -> None:
    loader = read_loader(tiny_flm)
    told = ram_complaint(loader, 0x2000_0000, 4096)
    assert told == (
        f"vendor/X: too large for the RAM: {loader.size} bytes of code and data, a stack of 4096 and a page of 256"
        " take 6192 bytes, there are 4096"
    )


def test_code_linked_to_another_place(tiny_stldr: Path) -> None:
    loader = read_loader(tiny_stldr)
    assert ram_complaint(loader, 0x2400_0000, 65536) == (
        f"vendor/X: is linked to 0x20000004..{loader.end - 1:#010x}; the RAM that boardflash uses is"
        " 0x24000000..0x2400ffff"
    )


# In a board file

Load = Callable[[str], str]


@pytest.fixture
def board_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)

    def load(text: str) -> str:
        with pytest.raises(BoardflashError) as caught:
            write_board(Path(), text)
        return str(caught.value)

    return load


WHERE = 'bench.toml: [qspi] loader = "X.FLM": '


def test_a_board_takes_the_loaders_sectors(tiny_flm: Path, internal_flm: Path, tmp_path: Path) -> None:
    (tmp_path / "X.FLM").write_bytes(tiny_flm.read_bytes())
    (tmp_path / "Y.FLM").write_bytes(internal_flm.read_bytes())
    board = write_board(tmp_path, board_text("X.FLM", internal="Y.FLM"))
    qspi, internal = board.region("qspi"), board.region("internal")
    assert qspi.loader is not None and internal.loader is not None
    assert (qspi.granule, qspi.sectors[0].size, qspi.sectors[0].count) == (4096, 4096, 4096)
    assert (internal.granule, [run.size for run in internal.sectors]) == (0x8000, [0x8000, 0x20000, 0x40000])
    assert qspi.loader.name == "X.FLM"


def test_a_board_without_chips_takes_the_loaders_size(tiny_flm: Path, tmp_path: Path) -> None:
    (tmp_path / "X.FLM").write_bytes(tiny_flm.read_bytes())
    board = write_board(tmp_path, board_text("X.FLM", chips=False))
    assert board.qspi is None
    assert board.region("qspi").size == 16 << 20


def test_a_board_whose_loader_is_missing(board_complaint: Load) -> None:
    assert board_complaint(board_text("X.FLM")) == WHERE + "no such file"


@pytest.mark.parametrize("name", ["/opt/X.FLM", "C:/X.FLM", ""])
def test_a_board_whose_loader_is_nowhere(board_complaint: Load, name: str) -> None:
    text = board_text("X.FLM").replace('"X.FLM"', f'"{name}"')
    assert board_complaint(text) == (
        f'bench.toml: [qspi] loader = "{name}": expected a path relative to the board file, with "/"'
    )


def test_pins_without_chips_mean_nothing(board_complaint: Load, tiny_flm: Path) -> None:
    Path("X.FLM").write_bytes(tiny_flm.read_bytes())
    text = board_text("X.FLM", chips=False, more="bank = 1\n")
    assert board_complaint(text) == (
        "bench.toml: [qspi] bank = 1: means nothing to a loader of its own; leave it out, or name the chips, too"
    )


BOARDS = [
    (
        {"BASE": "0x70000000u"},
        'made for "tiny memory" at 0x70000000; n25q128a13 or w25q128jv lies at 0x90000000',
    ),
    (
        {"SIZE": "0x02000000u"},
        'made for "tiny memory" of 0x2000000 bytes; n25q128a13 or w25q128jv has 0x1000000',
    ),
    ({"PAGE": "768u"}, "its page of 768 bytes does not divide its sectors of 4096"),
    ({"PAGE": "0u"}, "its page of 0 bytes does not divide its sectors of 4096"),
    (
        {"SECTORS": "{0x800u, 0u}, {0xFFFFFFFFu, 0xFFFFFFFFu}"},
        "it erases sectors of 2048 bytes; multiples of 4096 are expected",
    ),
]


@pytest.mark.parametrize(("defines", "message"), BOARDS)
def test_a_loader_that_is_not_made_for_the_board(
    board_complaint: Load, defines: dict[str, str], message: str
) -> None:
    build_tiny(Path("X.FLM"), **defines)
    assert board_complaint(board_text("X.FLM")) == WHERE + message


def test_an_internal_loader_of_another_part(board_complaint: Load) -> None:
    build_tiny(Path("X.FLM"), "tiny_flash.c", **{**INTERNAL_FLM, "SIZE": "0x00080000u"})
    assert board_complaint(board_text(internal="X.FLM")) == (
        'bench.toml: [internal] loader = "X.FLM": made for "tiny memory" of 0x80000 bytes; internal flash of'
        " STM32F746NG has 0x100000"
    )
