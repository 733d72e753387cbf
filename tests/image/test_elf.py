"""ELF: which bytes are image, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.errors import BoardflashError
from boardflash.image.elf import load_elf
from boardflash.image.model import Contents, LeftOut, MemoryRange, Segment
from boardflash.image.split import split
from image.image_builders import TOOLCHAINS, FakeLoad, FakeSection, fake_elf, link_elf, without_sections

REGIONS = (MemoryRange("internal", 0x0800_0000, 0x10_0000), MemoryRange("qspi", 0x9000_0000, 0x100_0000))
RAM = (MemoryRange("RAM", 0x2000_0000, 0x5_0000),)
ORIGINS = (0x0800_0000, 0x0800_8000, 0x0801_0200)
PATH = Path("app.elf")


@pytest.fixture(scope="module", params=[(t, o) for t in TOOLCHAINS for o in ORIGINS], ids=str)
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    toolchain, origin = request.param
    return origin, link_elf(tmp_path_factory.mktemp("elf"), toolchain, origin)


def section(path: Path, name: str) -> tuple[int, bytes]:
    with path.open("rb") as stream:
        found = ELFFile(stream).get_section_by_name(name)
        return found["sh_addr"], found.data()


def test_the_image_starts_with_the_vectors_and_not_with_the_elf_header(linked: tuple[int, Path]) -> None:
    origin, path = linked
    image = split(load_elf(path, path.read_bytes()).segments, REGIONS, RAM).image("internal")
    assert image.address == origin
    assert image.to_bin().startswith(section(path, ".vectors")[1])
    assert b"\x7fELF" not in image.to_bin()


def test_data_lies_in_flash_at_its_load_address(linked: tuple[int, Path]) -> None:
    _, path = linked
    result = split(load_elf(path, path.read_bytes()).segments, REGIONS, RAM)
    address, data = section(path, ".data")
    assert address >= 0x2000_0000
    assert result.image("internal").to_bin().endswith(data)
    assert data == struct.pack("<I", 0xC0FF_EE11)


def test_only_code_data_and_pictures_are_image(linked: tuple[int, Path]) -> None:
    _, path = linked
    result = split(load_elf(path, path.read_bytes()).segments, REGIONS, RAM)
    assert [image.name for image in result.images] == ["internal", "qspi"]
    assert result.image("qspi").to_bin() == section(path, ".qspi")[1]
    assert result.image("internal").byte_count < 400  # no debug information, no .bss, no headers


def test_without_section_headers_the_image_is_the_same(linked: tuple[int, Path]) -> None:
    origin, path = linked
    data = path.read_bytes()
    with_sections = split(load_elf(path, data).segments, REGIONS, RAM)
    by_segments = split(load_elf(path, without_sections(data)).segments, REGIONS, RAM)
    assert by_segments.image("internal").address == origin
    for name in ("internal", "qspi"):
        one, other = with_sections.image(name), by_segments.image(name)
        assert one.address == other.address
        for run in one.runs:
            assert other.read(run.address, run.size) == run.data
        # Beyond the sections there may be the filling between them, no more.
        assert other.byte_count - one.byte_count < 16


def test_some_linker_really_puts_its_headers_into_the_first_segment(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    seen = []
    for toolchain in TOOLCHAINS:
        for origin in ORIGINS:
            path = link_elf(tmp_path / f"{toolchain}-{origin:x}", toolchain, origin)
            with path.open("rb") as stream:
                first = next(s for s in ELFFile(stream).iter_segments() if s["p_type"] == "PT_LOAD")
                seen.append(first["p_offset"] == 0 and first["p_paddr"] < origin)
        if any(seen):
            return
    pytest.fail("no toolchain here loads its ELF header")


def elf_at(address: int, body: bytes = b"body", **more: int) -> bytes:
    return fake_elf(
        [FakeLoad(0x200, address, len(body), more.get("physical"))],
        [FakeSection(".text", 0x200, address, len(body))],
        {0x200: body},
    )


def test_a_section_goes_to_its_load_address() -> None:
    assert load_elf(PATH, elf_at(0x2000_0000, b"body", physical=0x0800_1000)).segments == (
        Segment(0x0800_1000, b"body", "app.elf: .text"),
    )


def test_bss_and_unallocated_sections_are_not_image() -> None:
    data = fake_elf(
        [FakeLoad(0x200, 0x0800_0000, 0x40)],
        [
            FakeSection(".text", 0x200, 0x0800_0000, 4),
            FakeSection(".bss", 0x204, 0x0800_0004, 8, kind=8),
            FakeSection(".note", 0x210, 0x0800_0010, 8, flags=0),
            FakeSection(".empty", 0x220, 0x0800_0020, 0),
        ],
        {0x200: b"code"},
    )
    assert [s.data for s in load_elf(PATH, data).segments] == [b"code"]


def test_an_allocated_section_outside_every_segment_is_not_image() -> None:
    data = fake_elf(
        [FakeLoad(0x200, 0x0800_0000, 4)],
        [FakeSection(".text", 0x200, 0x0800_0000, 4), FakeSection(".lost", 0x300, 0x0900_0000, 4)],
    )
    found = load_elf(PATH, data)
    assert [s.source for s in found.segments] == ["app.elf: .text"]
    assert found.left_out == (LeftOut(0x0900_0000, 4, "app.elf: .lost", "no program header loads it"),)


def test_headers_and_their_filling_are_left_out_without_sections() -> None:
    """Stack pointer 20050000h starts with two zero bytes: they are contents, not filling."""
    vectors = struct.pack("<II", 0x2005_0000, 0x0801_0211)
    data = fake_elf([FakeLoad(0, 0x0801_0000, 0x208)], None, {0x200: vectors}, size=0x208)
    assert load_elf(PATH, data) == Contents(
        (Segment(0x0801_0200, vectors, "app.elf: program header 0"),),
        (LeftOut(0x0801_0000, 0x200, "app.elf: program header 0", "ELF headers and filling"),),
    )


def test_zeros_are_contents_where_no_header_stands_before_them() -> None:
    data = fake_elf([FakeLoad(0x200, 0x0800_0000, 8)], None, {0x200: bytes(8)})
    assert load_elf(PATH, data) == Contents((Segment(0x0800_0000, bytes(8), "app.elf: program header 0"),))


def patched(offset: int, form: str, *values: int) -> bytes:
    data = bytearray(elf_at(0x0800_0000))
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


REFUSALS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "app.elf: not an ELF file (it does not start with 7Fh ELF)"),
    "header cut": (
        elf_at(0)[:40],
        "app.elf: truncated: 40 bytes, and the ELF header alone has 52",
    ),
    "64 bit": (patched(4, "B", 2), "app.elf: not a 32-bit little-endian ELF; the MCU is ARM, 32 bit"),
    "big endian": (patched(5, "B", 2), "app.elf: not a 32-bit little-endian ELF; the MCU is ARM, 32 bit"),
    "x86": (patched(18, "<H", 3), "app.elf: an ELF for x86; the MCU is ARM (machine 40)"),
    "RISC-V": (patched(18, "<H", 243), "app.elf: an ELF for RISC-V; the MCU is ARM (machine 40)"),
    "object": (
        patched(16, "<H", 1),
        "app.elf: an object file that is not linked yet; give the linked executable",
    ),
    "core": (patched(16, "<H", 4), "app.elf: a core dump; give the linked executable"),
    "no program headers": (
        patched(44, "<H", 0),
        "app.elf: has no program headers, so nothing says where its bytes load",
    ),
    "many program headers": (
        patched(44, "<H", 0xFFFE),
        "app.elf: 65534 program headers; more than 256 are not believed",
    ),
    "program headers beyond the end": (
        patched(28, "<I", 0xFFFF_FFF0),
        "app.elf: truncated or damaged: the program header table, 32 bytes at offset 0xfffffff0, does not "
        f"fit the file's {len(elf_at(0))} bytes",
    ),
    "program headers inside the header": (
        patched(28, "<I", 0),
        "app.elf: truncated or damaged: the program header table, 32 bytes at offset 0x0, does not fit "
        f"the file's {len(elf_at(0))} bytes",
    ),
    "odd program headers": (
        patched(42, "<H", 0),
        "app.elf: damaged ELF file: program headers of 0 bytes, not 32",
    ),
    "odd section headers": (
        patched(46, "<H", 0),
        "app.elf: damaged ELF file: section headers of 0 bytes, not 40",
    ),
    "huge p_filesz": (
        patched(52 + 16, "<II", 0xFFFF_FFFF, 0xFFFF_FFFF),
        "app.elf: program header 0: truncated or damaged: 4294967295 bytes at offset 0x200, the file has "
        f"{len(elf_at(0))}",
    ),
    "more in the file than in memory": (
        patched(52 + 20, "<I", 2),
        "app.elf: damaged ELF file: program header 0: 4 bytes in the file, 2 in memory",
    ),
    "beyond 32 bits": (
        elf_at(0x0800_0000, physical=0xFFFF_FFFE),
        "app.elf: program header 0: 4 bytes at 0xfffffffe run beyond the 32-bit address space",
    ),
    "many section headers": (
        patched(48, "<H", 0x4001),
        "app.elf: 16385 section headers; more than 16384 are not believed",
    ),
    "the same bytes again and again": (
        fake_elf(
            [FakeLoad(0x280, 0x0800_0000, 0x180, 0x0800_0000 + 0x180 * n) for n in range(8)],
            [FakeSection(".text", 0x280, 0x0800_0000, 0x180)],
        ),
        "app.elf: damaged ELF file: it loads more bytes than it has",
    ),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_bad_elf_is_refused_by_name(kind: str) -> None:
    data, message = REFUSALS[kind]
    with pytest.raises(BoardflashError) as caught:
        load_elf(PATH, data)
    assert str(caught.value) == message
