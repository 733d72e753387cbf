"""pyOCD, unmodified, writes the QSPI chip with the flash algorithm built from our loader's sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.description.load import load_board
from boardflash.errors import BoardflashError
from boardflash.export.flm import SYMBOLS, build_flm
from peers.images import assets
from peers.pyocd_client import PyocdBench, PyocdRun

WINDOW = 0x90000000
SIZE = 70_001  # two sectors, the last page in part
BOARD = "stm32f746g-disco"


@pytest.fixture(scope="module")
def flm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_flm(load_board(BOARD), tmp_path_factory.mktemp("flm"))


@pytest.fixture(scope="module", params=["stm32f746g-disco", "stm32f746g-disco-c03"])
def bench(
    request: pytest.FixtureRequest, python: Path, flm: Path, tmp_path_factory: pytest.TempPathFactory
) -> PyocdBench:
    """Both chips by the one algorithm: it tells them apart by JEDEC ID."""
    return PyocdBench(python, tmp_path_factory.mktemp("pyocd-flm"), request.param, serial="flm", flm=flm)


@pytest.fixture(scope="module")
def runs(bench: PyocdBench) -> list[PyocdRun]:
    """Over old content; the same again; one byte changed."""
    old = bytearray(assets(SIZE, seed=8))
    done = []
    for content in (bytes(old), assets(SIZE, seed=9), assets(SIZE, seed=9)):
        (bench.folder / "image.bin").write_bytes(content)
        done.append(bench.load(f"image.bin@{WINDOW:#x}"))
    changed = bytearray(assets(SIZE, seed=9))
    changed[100] ^= 0xFF
    (bench.folder / "image.bin").write_bytes(changed)
    return [*done, bench.load(f"image.bin@{WINDOW:#x}")]


def written(run: PyocdRun) -> tuple[int, int]:
    """Sectors erased, bytes programmed."""
    assert run.returncode == 0, run.output
    found = re.search(r"Erased \d+ bytes \((\d+) sectors?\), programmed (\d+) bytes", run.output)
    assert found, run.output
    return int(found[1]), int(found[2])


def test_pyocd_writes_the_qspi_chip_over_old_content_byte_for_byte(
    bench: PyocdBench, runs: list[PyocdRun]
) -> None:
    assert written(runs[1]) == (2, -(-SIZE // 4096) * 4096)
    expected = bytearray(assets(SIZE, seed=9))
    expected[100] ^= 0xFF
    content = (bench.folder / "sim" / bench.serial / "qspi.bin").read_bytes()
    assert content[:SIZE] == expected
    assert set(content[SIZE:]) == {0xFF}


def test_pyocd_reads_the_window_after_init_and_skips_what_is_there(runs: list[PyocdRun]) -> None:
    assert written(runs[2]) == (0, 0)
    assert runs[2].counts["ap_reads"] > SIZE // 4


def test_one_changed_byte_costs_pyocd_one_sector(runs: list[PyocdRun]) -> None:
    assert written(runs[3]) == (1, 0x10000)


def test_algorithm_has_what_hosts_look_for_and_no_verify(flm: Path) -> None:
    with flm.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        names = {symbol.name for symbol in table.iter_symbols()}
        assert set(SYMBOLS) <= names
        assert "Verify" not in names
        assert elf.get_section_by_name("PrgCode")["sh_addr"] == 0
        assert elf.get_section_by_name("PrgData")["sh_type"] == "SHT_PROGBITS"


def test_algorithm_is_the_same_bytes_in_any_folder(flm: Path, tmp_path: Path) -> None:
    other = build_flm(load_board(BOARD), tmp_path / "a folder" / "elsewhere")
    assert other.read_bytes() == flm.read_bytes()
    assert str(tmp_path).encode() not in flm.read_bytes()


def test_a_chip_that_the_board_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError, match="there is no chip 7"):
        build_flm(load_board(BOARD), tmp_path, chip_row=7)
