"""Files of other people's linkers: written byte for byte as they mean it, and nothing around is touched."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from intelhex import IntelHex

from boardflash.cli import main
from boardflash.image.elf import load_elf
from boardflash.image.model import MemoryRange
from boardflash.image.split import split
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin
from image.elf_corpus import FLASH, QSPI, RAM, Layout, corpus, noise

REGIONS = (MemoryRange("internal", FLASH, 1 << 20), MemoryRange("qspi", QSPI, 1 << 24))
MEMORIES = (MemoryRange("RAM", RAM, 0x5_0000), MemoryRange("RAM", 0, 0x4000))
BOARD = "stm32f746g-disco"
SERIAL = "746010001"


@pytest.fixture(params=corpus(), ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Layout:
    made: Layout = request.param
    return made


def in_flash(address: int) -> bool:
    return any(region.base <= address < region.end for region in REGIONS)


def test_its_bytes_are_those_that_its_maker_states(layout: Layout) -> None:
    contents = load_elf(Path("app.elf"), layout.file())
    images = split([s for s in contents.segments if in_flash(s.address)], REGIONS).images
    assert {run.address: run.data for image in images for run in image.runs} == layout.image
    told = [(item.address, item.size) for item in contents.left_out if in_flash(item.address)]
    assert told == layout.left_out


def naive_image(data: bytes) -> dict[int, int]:
    """Another reader, after the specification and no more: the program headers' bytes, by address."""
    (table,), (count,) = struct.unpack_from("<I", data, 28), struct.unpack_from("<H", data, 44)
    found = {}
    for number in range(count):
        kind, offset, _, physical, size = struct.unpack_from("<IIIII", data, table + 32 * number)
        if kind == 1:
            found.update({physical + n: data[offset + n] for n in range(size)})
    return found


def test_each_byte_is_the_one_that_the_program_headers_put_there(layout: Layout) -> None:
    """Nothing of it moves, whatever the sections say of addresses."""
    data = layout.file()
    loaded = naive_image(data)
    for segment in load_elf(Path("app.elf"), data).segments:
        assert segment.data == bytes(loaded[segment.address + n] for n in range(segment.size))


def test_around_it_boot_loader_and_settings_stay(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    board = SimulatedBoard(load_twin(BOARD), BoardState.load(tmp_path / "state", SERIAL))
    before = {FLASH: noise("what was there", 0x2_0000), QSPI: noise("settings", 0x1_0000)}
    board.flash.array[: len(before[FLASH])] = before[FLASH]
    board.chip.array[: len(before[QSPI])] = before[QSPI]
    wanted = {FLASH: bytearray(board.flash.array), QSPI: bytearray(board.chip.array)}
    board.save()
    for address, data in layout.image.items():
        base = FLASH if address < QSPI else QSPI
        wanted[base][address - base : address - base + len(data)] = data
    Path("app.axf").write_bytes(layout.file())
    assert main(["flash", "app.axf", "--board", BOARD, "--probe", f"sim:{SERIAL}", "--no-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    folder = tmp_path / "state" / "sim" / SERIAL
    assert (folder / "internal.bin").read_bytes() == bytes(wanted[FLASH])
    assert (folder / "qspi.bin").read_bytes() == bytes(wanted[QSPI])
    told = [line for line in said if line.startswith("left out: ")]
    assert [line.split(" (")[0] for line in told] == [
        f"left out: {size:,} bytes at {address:#010x}" for address, size in layout.left_out
    ]


SOURCE = """
__attribute__((section(".isr_vector"), used)) const unsigned vectors[100] = { 0x20050000u, 0x08008001u };
__attribute__((section(".nvm"))) unsigned char settings[0x1000];
unsigned counter = 0x11223344u;
static volatile unsigned zeroed[200];
__attribute__((used)) int main(void) { return (int)(counter += zeroed[2] + settings[5]); }
"""
SCRIPT = """
ENTRY(main)
MEMORY { FLASH (rx) : ORIGIN = 0x08008000, LENGTH = 256K  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 256K }
SECTIONS {
  .isr_vector : { KEEP(*(.isr_vector)) } > FLASH
  .nvm (NOLOAD) : ALIGN(0x1000) { KEEP(*(.nvm)) } > FLASH
  .text : ALIGN(0x1000) { *(.text*) *(.rodata*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .data : { *(.data*) } > RAM AT > FLASH
  .bss : { *(.bss*) *(COMMON) } > RAM
}
"""


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("page", [0x1000, 0x10000])
def test_gnu_objcopy_has_the_same_bytes_at_the_same_addresses(tmp_path: Path, page: int) -> None:
    """A real file and a reader that is not ours. objcopy's HEX has no bytes in gaps and for NOLOAD; ours may
    have filling between two sections of one program header, as objcopy's binary has."""
    (tmp_path / "app.c").write_text(SOURCE)
    (tmp_path / "app.ld").write_text(SCRIPT)
    gcc = "arm-none-eabi-gcc -mcpu=cortex-m7 -mthumb -Os -ffreestanding -nostdlib -T app.ld app.c -o app.elf"
    subprocess.run([*gcc.split(), f"-Wl,-z,max-page-size={page}"], cwd=tmp_path, check=True)
    objcopy = ["arm-none-eabi-objcopy", "-O", "ihex", "app.elf", "app.hex"]
    subprocess.run(objcopy, cwd=tmp_path, check=True)
    theirs = IntelHex(str(tmp_path / "app.hex")).todict()
    theirs.pop("start_addr", None)
    contents = load_elf(Path("app.elf"), (tmp_path / "app.elf").read_bytes())
    ours = {s.address + n: byte for s in contents.segments for n, byte in enumerate(s.data)}
    assert {at: byte for at, byte in ours.items() if at in theirs} == theirs
    nvm = range(0x0800_9000, 0x0800_A000)
    assert not set(ours) & set(nvm)
    assert min(ours) == 0x0800_8000
    assert {byte for at, byte in ours.items() if at not in theirs} <= {0}
