"""The build of the loader: both toolchains, both dies, the size limit, and the same bytes in any folder."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from loader_boards import F746, H743, N25Q128, make_board

from boardflash.description.load import list_boards, load_board
from boardflash.errors import BoardflashError
from boardflash.loader import protocol as p
from boardflash.loader.artefact import CODE_LIMIT, load_artefact
from boardflash.loader.compile import ELF_NAME, Toolchain, build_loader
from boardflash.loader.relocations import refuse_absolute
from boardflash.resources import data_dir

BOARDS = {
    "stm32f746": make_board(),
    "stm32h743": make_board(H743, flash_size=2 << 20),
    "without QSPI": make_board(qspi=False),
}


@pytest.fixture(params=["zig", "gcc"])
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    chosen = {"zig": Toolchain.zig, "gcc": Toolchain.gcc}[request.param]()
    if not chosen.available():
        pytest.skip(f"{chosen.command[0]} is not installed")
    return chosen


@pytest.mark.parametrize("name", BOARDS)
def test_loader_builds_without_a_warning_and_keeps_its_limit(
    toolchain: Toolchain, name: str, tmp_path: Path
) -> None:
    board = BOARDS[name]
    artefact = build_loader(board, tmp_path, toolchain)
    ram = board.mcu.ram_base
    assert ram < artefact.stack_top <= artefact.vectors < artefact.mailbox
    assert artefact.mailbox + p.MAILBOX_SIZE <= artefact.load_address
    assert artefact.load_address + len(artefact.image) <= artefact.buffers_base
    assert len(artefact.image) + p.MAILBOX_SIZE <= CODE_LIMIT
    assert artefact.buffers_end == ram + board.mcu.ram_size
    assert artefact.toolchain == toolchain.describe()
    assert artefact.chips == (tuple(c.name for c in board.qspi.chips) if board.qspi else ())


def test_same_bytes_in_two_folders(toolchain: Toolchain, tmp_path: Path) -> None:
    one = build_loader(make_board(), tmp_path / "one", toolchain)
    two = build_loader(make_board(), tmp_path / "a folder" / "far" / "away", toolchain)
    assert one.elf.read_bytes() == two.elf.read_bytes()
    assert str(tmp_path).encode() not in one.elf.read_bytes()


def test_every_shipped_board_builds(tmp_path: Path) -> None:
    entries = list_boards()
    assert entries
    for entry in entries:
        artefact = build_loader(load_board(entry.name), tmp_path / entry.name, Toolchain.zig())
        assert artefact.board == entry.name


def test_layout_of_the_mailbox_is_that_of_the_header(tmp_path: Path) -> None:
    checks = [
        ("MAILBOX_MAGIC", p.MAILBOX_MAGIC),
        ("MAILBOX_VERSION", p.MAILBOX_VERSION),
        ("MAILBOX_SLOTS", p.MAILBOX_SLOTS),
        ("MAILBOX_REGIONS", p.MAILBOX_REGIONS),
        ("sizeof(struct mailbox)", p.MAILBOX_SIZE),
        ("sizeof(struct mailbox_head)", p.HEAD_LAYOUT.size),
        ("offsetof(struct mailbox, image_digest)", p.IMAGE_DIGEST_OFFSET),
        ("offsetof(struct mailbox, worked_us)", p.WORKED_OFFSET),
        ("offsetof(struct mailbox, acknowledge) - offsetof(struct mailbox, worked_us)", p.WORKED_LAYOUT.size),
        ("offsetof(struct mailbox, acknowledge)", p.ACKNOWLEDGE_OFFSET),
        ("offsetof(struct mailbox, supply_mv)", p.SUPPLY_OFFSET),
        ("offsetof(struct mailbox, fault)", p.FAULT_OFFSET),
        ("sizeof(struct fault_record)", p.FAULT_LAYOUT.size),
        ("offsetof(struct mailbox, slots)", p.SLOTS_OFFSET),
        ("sizeof(struct command)", p.COMMAND_SIZE),
        ("offsetof(struct command, status)", p.RESULT_OFFSET),
        ("offsetof(struct command, operation)", p.REQUEST_OFFSET),
        ("offsetof(struct command, operation) - offsetof(struct command, status)", p.RESULT_LAYOUT.size),
        ("offsetof(struct command, ticket)", p.TICKET_OFFSET),
        ("sizeof(struct identity)", p.IDENTITY_LAYOUT.size),
        ("sizeof(struct mcu_identity)", p.MCU_IDENTITY_LAYOUT.size),
        ("sizeof(struct status_registers)", p.REGISTERS_LAYOUT.size),
        *((f"OP_{op.name}", op) for op in p.Operation),
        *((f"STATUS_{status.name}", status) for status in p.Status),
        *((f"LOADER_{state.name}", state) for state in p.LoaderState),
    ]
    text = '#include <stddef.h>\n#include "mailbox.h"\n'
    text += "".join(f'_Static_assert({name} == {int(value)}u, "{name}");\n' for name, value in checks)
    (tmp_path / "probe.c").write_text(text)
    toolchain = Toolchain.zig()
    command = [*toolchain.compile_command("probe.c", "probe.o"), f"-I{data_dir('loader')}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_statically_initialised_pointer_is_refused(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text(
        "void one(void);\nvoid two(void);\nvoid (*const table[])(void) = {one, two};\n"
    )
    subprocess.run(toolchain.compile_command("bad.c", "bad.o"), cwd=tmp_path, check=True)
    with pytest.raises(BoardflashError, match="absolute address of one"):
        refuse_absolute(tmp_path / "bad.o")


def test_mcu_that_names_an_unknown_driver_is_refused_by_name(tmp_path: Path) -> None:
    flash = replace(F746.flash, driver="stm32x9_flash")
    with pytest.raises(BoardflashError, match=r"no driver loader/internal/stm32x9_flash\.c"):
        build_loader(make_board(replace(F746, flash=flash)), tmp_path, Toolchain.zig())


def test_missing_compiler_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError, match="compiler no-such-gcc is not installed"):
        build_loader(make_board(), tmp_path, Toolchain("gcc", ("no-such-gcc",)))


def test_clock_keeps_the_limits_of_board_and_chip(tmp_path: Path) -> None:
    """54 MHz from 168 MHz, which may be 175.6: 42 MHz is the fastest below; identify at 10 MHz."""
    build_loader(make_board(chips=(N25Q128,)), tmp_path, Toolchain.zig())
    text = (tmp_path / "board_data.c").read_text()
    assert ".prescaler = 3," in text
    assert ".size_log2 = 24" in text
    assert "#define IDENTIFY_PRESCALER 17u" in (tmp_path / "board_data.h").read_text()


@pytest.mark.parametrize("damage", ["not an ELF", "truncated", "of another kind"])
def test_artefact_that_is_not_ours_is_refused(damage: str, tmp_path: Path) -> None:
    good = build_loader(make_board(), tmp_path, Toolchain.zig()).elf.read_bytes()
    bad = tmp_path / "bad.elf"
    bad.write_bytes(
        {
            "not an ELF": b"MZ" + good,
            "truncated": good[: len(good) // 2],
            "of another kind": good.replace(b".boardflash", b".somethingx"),
        }[damage]
    )
    with pytest.raises(BoardflashError, match="not a target loader of ours"):
        load_artefact(bad)


def test_artefact_reads_back_as_built(tmp_path: Path) -> None:
    built = build_loader(make_board(), tmp_path, Toolchain.zig())
    assert load_artefact(tmp_path / ELF_NAME) == built
