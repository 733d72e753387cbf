"""The compiled loader on chips of every family: quad enable by each JESD216 method, addressing, protection.

The simulated parts follow their data sheets (sim/nor); what they hold is read from the model, not from the
loader. A chip file of ours may name a part that is sold, or, for a method that no known part shows, be built
here for a generic part of the standard's letter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import tomli
from loader_boards import make_board
from target_link import TargetLink

from boardflash.description.chips import parse_chip
from boardflash.description.model import (
    BlockProtection,
    Chip,
    Lines,
    ProgramCommand,
    QuadEnable,
    ReadCommand,
    RegisterBits,
)
from boardflash.loader.artefact import LoaderArtefact
from boardflash.loader.compile import Toolchain, build_loader
from boardflash.loader.protocol import REGION_QSPI, Command, Operation, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.resources import data_dir
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.faults import with_faults
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

WINDOW = 0x9000_0000
GROUP = 4  # chips of one loader
LIMIT = 1 << 24  # what three address bytes reach


@cache
def chip_file(name: str) -> Chip:
    path = data_dir("boards") / "chips" / f"{name}.toml"
    return parse_chip(tomli.loads(path.read_text(encoding="utf-8")), path.name, name)


def generic(method: QuadEnable, jedec: str) -> Chip:
    """What a reader of JESD216F would write for a part of that method."""
    return replace(
        chip_file("w25q128jv"),
        name=f"generic-{method.value.lower()}",
        vendor="nobody",
        jedec_ids=(bytes.fromhex(jedec),),
        quad_enable=method,
        erases=tuple(e for e in chip_file("w25q128jv").erases if e.size != 32768),
        protection=BlockProtection(0x1C, 0, 0),
    )


def by_mode(name: str, enter: str, program: int, lines: Lines, mode: RegisterBits | None) -> Chip:
    """The chip with the commands of its 3-byte days, in 4-byte mode."""
    chip = chip_file(name)
    usual = {0x21: 0x20, 0xDC: 0xD8, 0x5C: 0x52}
    return replace(
        chip,
        name=f"{name}-{enter.lower()}",
        enter_4byte=enter,
        address_mode=mode,
        read=replace(chip.read, opcode=0xEB),
        program=replace(chip.program, opcode=program, lines=lines),
        erases=tuple(replace(erase, opcode=usual[erase.opcode]) for erase in chip.erases),
    )


@dataclass(frozen=True)
class Case:
    part: str  # the simulated part
    chip: Callable[[], Chip]
    jedec: str
    quad: tuple[str, int] | None  # register of the model and its quad enable bit
    kept: tuple[
        tuple[str, int], ...
    ] = ()  # start values of registers, whose other bits must outlive the choice
    protect: tuple[tuple[str, int], ...] = ()  # start values that protect the last sector
    volatile: bool = False  # protection is lifted for this session only


def named(name: str) -> Callable[[], Chip]:
    return lambda: chip_file(name)


CASES = {
    "n25q128a13 NONE": Case(
        "N25Q128A13", named("n25q128a13"), "20BA18", None, (("sr", 0x20),), (("sr", 0x5C),)
    ),
    "mx25l12833f S1B6": Case(
        "MX25L12833F", named("mx25l12833f"), "C22018", ("sr", 0x40), (("sr", 0x00),), (("sr", 0x3C),)
    ),
    "is25lp128 S1B6": Case(
        "IS25LP128", named("is25lp128"), "9D6018", ("sr", 0x40), (("sr", 0x00),), (("sr", 0x3C),), True
    ),
    "generic S2B1v1, no 35h": Case(
        "GENERIC-S2B1V1",
        lambda: generic(QuadEnable.S2B1V1, "7FB118"),
        "7FB118",
        ("sr2", 0x02),
        (("sr1", 0x20),),
        (("sr1", 0x1C),),
        True,
    ),
    "at25ql128a S2B1v1": Case(
        "AT25QL128A",
        named("at25ql128a"),
        "1F4218",
        ("sr2", 0x02),
        (("sr1", 0x20), ("sr2", 0x38)),
        (("sr1", 0x1C),),
        True,
    ),
    "w25q128jv S2B1v4": Case(
        "W25Q128JV-IM",
        named("w25q128jv"),
        "EF7018",
        ("sr2", 0x02),
        (("sr1", 0x20), ("sr2", 0x38)),
        (("sr1", 0x1C),),
        True,
    ),
    "w25q64jw S2B1v5": Case(
        "W25Q64JW-IM",
        named("w25q64jw"),
        "EF8017",
        ("sr2", 0x02),
        (("sr1", 0x20), ("sr2", 0x38)),
        (("sr1", 0x1C),),
        True,
    ),
    "sst26vf064b S2B1v5": Case("SST26VF064B", named("sst26vf064b"), "BF2643", ("config", 0x02)),
    "gd25q128e S2B1v6": Case(
        "GD25Q128E",
        named("gd25q128e"),
        "C84018",
        ("sr2", 0x02),
        (("sr1", 0x20), ("sr2", 0x38)),
        (("sr1", 0x1C),),
        True,
    ),
    "generic S2B7": Case(
        "GENERIC-S2B7",
        lambda: generic(QuadEnable.S2B7, "7FB718"),
        "7FB718",
        ("sr2", 0x80),
        (("sr1", 0x20), ("sr2", 0x15)),
        (("sr1", 0x1C),),
        True,
    ),
    "w25q256jv native": Case(
        "W25Q256JV-IM", named("w25q256jv"), "EF7019", ("sr2", 0x02), (("sr2", 0x38),), (("sr1", 0x3C),), True
    ),
    "w25q256jv B7": Case(
        "W25Q256JV-IM",
        lambda: by_mode("w25q256jv", "B7", 0x32, Lines(1, 1, 4), RegisterBits(0x15, 0x01)),
        "EF7019",
        ("sr2", 0x02),
        (("sr3", 0x62),),  # ADP: in 4-byte mode from power-up on
        (("sr1", 0x3C),),
        True,
    ),
    "mx25l51245g native": Case(
        "MX25L51245G", named("mx25l51245g"), "C2201A", ("sr", 0x40), (("sr", 0x00),), (("sr", 0x3C),)
    ),
    "mx25l51245g B7": Case(
        "MX25L51245G",
        lambda: by_mode("mx25l51245g", "B7", 0x38, Lines(1, 4, 4), RegisterBits(0x15, 0x20)),
        "C2201A",
        ("sr", 0x40),
        (),
        (("sr", 0x3C),),
    ),
    "mt25ql128aba": Case(
        "MT25QL128ABA1", named("mt25ql128aba"), "20BA18104000", None, (("sr", 0x20),), (("sr", 0x5C),)
    ),
    "mt25ql256aba native": Case(
        "MT25QL256ABA", named("mt25ql256aba"), "20BA19104400", None, (("sr", 0x20),), (("sr", 0x5C),)
    ),
    "mt25ql256aba WREN_B7": Case(
        "MT25QL256ABA",
        lambda: by_mode("mt25ql256aba", "WREN_B7", 0x38, Lines(1, 4, 4), RegisterBits(0x70, 0x01)),
        "20BA19104400",
        None,
        (),
        (("sr", 0x5C),),
    ),
    "n25q256a13 WREN_B7": Case("N25Q256A13", named("n25q256a13"), "20BA19100000", None, (), (("sr", 0x5C),)),
}
METHODS = {case.chip().quad_enable for case in CASES.values()}
LARGE = [name for name, case in CASES.items() if case.chip().size > LIMIT]

Start = Callable[..., tuple[SimulatedBoard, LoaderSession, int]]


@pytest.fixture(scope="module")
def loader_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[LoaderArtefact, int]]:
    """The loader of a board that may carry this chip and a few others, and the chip's row in its table."""
    folder = tmp_path_factory.mktemp("families")

    @cache
    def group(number: int) -> LoaderArtefact:
        members = list(CASES.values())[number * GROUP : (number + 1) * GROUP]
        chips = tuple(case.chip() for case in members)
        return build_loader(make_board(chips=chips), folder / str(number), Toolchain.zig())

    def find(name: str) -> tuple[LoaderArtefact, int]:
        number, row = divmod(list(CASES).index(name), GROUP)
        return group(number), row

    return find


@pytest.fixture
def start(loader_for: Callable[[str], tuple[LoaderArtefact, int]]) -> Start:
    def run(name: str, **faults: str) -> tuple[SimulatedBoard, LoaderSession, int]:
        artefact, row = loader_for(name)
        options = {"chip": CASES[name].part, "start": "noise", **faults}
        twin = with_faults(load_twin("stm32f746g-disco"), options).twin
        board = SimulatedBoard(twin, BoardState.in_memory("7"))
        session = LoaderSession(TargetLink(board), artefact)
        session.start(3300)
        return board, session, row

    return run


def registers(values: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """As the option of a simulated chip."""
    return (
        {"registers": "{ " + ", ".join(f"{name} = {value}" for name, value in values) + " }"}
        if values
        else {}
    )


def present(board: SimulatedBoard, register: str) -> int:
    return int(getattr(board.chip, register))


def send(session: LoaderSession, data: bytes) -> int:
    session.link.write_memory(session.buffers_base, data)
    return session.buffers_base


def exercise(board: SimulatedBoard, session: LoaderSession, at: int) -> None:
    """Lift protection, then erase, program and read a sector at `at`; nothing else may change."""
    session.unprotect_chip()
    expected = bytearray(board.chip.array)
    session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + at, 4096), 10)
    expected[at : at + 4096] = b"\xff" * 4096
    data = bytes(range(1, 251)) * 3
    expected[at + 5 : at + 5 + len(data)] = data
    buffer = send(session, data)
    session.run(REGION_QSPI, Command(Operation.PROGRAM, WINDOW + at + 5, len(data), buffer), 10)
    assert bytes(board.chip.array) == bytes(expected)
    assert session.read(REGION_QSPI, WINDOW + at, 1024) == bytes(expected[at : at + 1024])


def test_all_seven_methods_of_jesd216_are_here() -> None:
    assert set(QuadEnable) == METHODS


@pytest.mark.parametrize("name", CASES)
def test_chip_is_identified_chosen_and_works(start: Start, name: str) -> None:
    case = CASES[name]
    board, session, row = start(name, **registers(case.kept))
    jedec = session.identify_chip().jedec
    assert jedec.hex().upper().startswith(case.jedec)
    if case.quad:
        assert not present(board, case.quad[0]) & case.quad[1], (
            "a part that is delivered with quad enable clear"
        )
    session.select_chip(row)
    if case.quad:
        assert present(board, case.quad[0]) & case.quad[1]
    for register, value in case.kept:
        quad = case.quad[1] if case.quad and case.quad[0] == register else 0
        assert present(board, register) & ~quad == value, register
    size = board.chip.size
    for at in (0x3000, size - 0x5000):
        exercise(board, session, at)
    for size, opcode in ((e.size, e.opcode) for e in case.chip().erases):
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x10_0000, size), 10)
        assert bytes(board.chip.array[0x10_0000 : 0x10_0000 + size]) == b"\xff" * size, f"{opcode:#x}"
    assert not board.violations


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.quad and case.part != "SST26VF064B"])
def test_quad_enable_outlives_power(start: Start, name: str) -> None:
    """It is set once for good: the firmware that boots later needs it."""
    case = CASES[name]
    board, session, row = start(name)
    session.identify_chip()
    session.select_chip(row)
    board.chip.power_cycle()
    assert case.quad is not None
    assert present(board, case.quad[0]) & case.quad[1]


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.protect])
def test_protection_is_lifted_and_quad_enable_stays(start: Start, name: str) -> None:
    case = CASES[name]
    board, session, row = start(name, **registers(case.protect))
    last = board.chip.size - 4096
    assert board.chip.protected(last, 4096)  # type: ignore[attr-defined]
    session.identify_chip()
    session.select_chip(row)
    exercise(board, session, last)
    if case.quad:
        assert present(board, case.quad[0]) & case.quad[1]
    board.chip.power_cycle()
    assert board.chip.protected(last, 4096) == case.volatile  # type: ignore[attr-defined]
    if case.quad:
        assert present(board, case.quad[0]) & case.quad[1]


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("four_byte", [False, True], ids=["3-byte", "left in 4-byte"])
def test_both_sides_of_16_mib(start: Start, name: str, four_byte: bool) -> None:
    """Each side holds its own bytes; a chip that took three address bytes would see the lower half twice."""
    board, session, row = start(name, four_byte=str(four_byte).lower())
    session.identify_chip()
    session.select_chip(row)
    for at in (0x1000, LIMIT + 0x1000, board.chip.size - 4096):
        exercise(board, session, at)
    before = session.read(REGION_QSPI, WINDOW + LIMIT - 256, 512)
    assert before == bytes(board.chip.array[LIMIT - 256 : LIMIT + 256])
    assert not board.violations


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("left", ["qpi", "continuous_read"])
def test_chip_is_found_out_of_every_mode(start: Start, name: str, left: str) -> None:
    board, session, row = start(name, **{left: "true", "quad_enable": "true"})
    session.identify_chip()
    session.select_chip(row)
    assert session.read(REGION_QSPI, WINDOW + 0x55_5000, 256) == bytes(board.chip.array[0x55_5000:0x55_5100])


@pytest.mark.parametrize("name", CASES)
def test_reading_registers_leaves_the_chip_as_it_is(start: Start, name: str) -> None:
    """35h reads a register on one chip and enters QPI on another."""
    board, session, row = start(name, quad_enable="true")
    session.registers(REGION_QSPI)
    session.identify_chip()
    session.registers(REGION_QSPI)
    session.select_chip(row)
    assert session.registers(REGION_QSPI)[0] & 0x01 == 0
    assert session.read(REGION_QSPI, WINDOW + 0x1000, 256) == bytes(board.chip.array[0x1000:0x1100])


@pytest.mark.parametrize("name", ["w25q128jv S2B1v4", "w25q64jw S2B1v5", "w25q256jv native"])
def test_block_locks_of_winbond_are_switched_off(start: Start, name: str) -> None:
    """WPS = 1: every block has a lock of its own, set at power-up."""
    board, session, row = start(name, registers="{ sr3 = 0x64 }")
    assert board.chip.protected(0, board.chip.size)  # type: ignore[attr-defined]
    session.identify_chip()
    session.select_chip(row)
    for at in (0, 0x2_0000, board.chip.size - 4096):
        exercise(board, session, at)
    assert present(board, "sr3") & 0x60 == 0x60, "the drive strength stays"
    board.chip.power_cycle()
    assert present(board, "sr3") & 0x04, "for this session only"


@pytest.mark.parametrize(
    "name", ["w25q128jv S2B1v4", "w25q64jw S2B1v5", "gd25q128e S2B1v6", "at25ql128a S2B1v1"]
)
def test_complement_bit_is_lifted(start: Start, name: str) -> None:
    board, session, row = start(name, registers="{ sr2 = 0x40 }")
    assert board.chip.protected(0, 4096)  # type: ignore[attr-defined]
    session.identify_chip()
    session.select_chip(row)
    exercise(board, session, 0)


@pytest.mark.parametrize(
    "name",
    ["w25q128jv S2B1v4", "w25q64jw S2B1v5", "gd25q128e S2B1v6", "at25ql128a S2B1v1", "w25q256jv native"],
)
def test_registers_locked_until_power_up_are_reported(start: Start, name: str) -> None:
    """SRL = 1: no status write is taken, so the protection can't be lifted; nothing may have changed."""
    board, session, row = start(name, registers="{ sr1 = 0x1C, sr2 = 0x03 }")
    before = bytes(board.chip.array)
    session.identify_chip()
    session.select_chip(row)
    with pytest.raises(CommandFailed) as caught:
        session.unprotect_chip()
    assert caught.value.result.status == Status.PROTECTED
    assert caught.value.result.registers[0] & 0x1C == 0x1C
    assert bytes(board.chip.array) == before


@pytest.mark.parametrize("name", ["w25q128jv S2B1v4", "gd25q128e S2B1v6", "at25ql128a S2B1v1"])
def test_quad_enable_that_does_not_stick_is_reported(start: Start, name: str) -> None:
    _, session, row = start(name, registers="{ sr2 = 0x01 }")
    session.identify_chip()
    with pytest.raises(CommandFailed) as caught:
        session.select_chip(row)
    assert caught.value.result.status == Status.QUAD_ENABLE


@pytest.mark.parametrize(
    "name",
    [n for n, case in CASES.items() if case.part.startswith(("MX25", "MT25", "N25Q"))],
)
def test_an_erase_that_the_chip_calls_failed_is_reported(start: Start, name: str) -> None:
    """Macronix E_FAIL in 2Bh, Micron in the flag status register. The next command works again."""
    board, session, row = start(name, erase_fails="[0x10000]")
    session.identify_chip()
    session.select_chip(row)
    with pytest.raises(CommandFailed) as caught:
        session.run(REGION_QSPI, Command(Operation.ERASE, WINDOW + 0x1_0000, 4096), 10)
    assert caught.value.result.status == Status.ERASE_FAILED
    session.acknowledge(REGION_QSPI)
    exercise(board, session, 0x2_0000)


@pytest.mark.parametrize(
    "toolchain", [Toolchain.zig(), Toolchain.gcc()], ids=lambda toolchain: str(toolchain.name)
)
def test_three_large_chips_fit_with_each_toolchain(tmp_path: Path, toolchain: Toolchain) -> None:
    if not toolchain.available():
        pytest.skip("not installed")
    chips = tuple(map(chip_file, ("n25q256a13", "w25q256jv", "sst26vf064b")))
    build_loader(make_board(chips=chips), tmp_path, toolchain)


def test_one_line_commands_do_without_quad_enable(tmp_path: Path) -> None:
    """A board may wire one line only: then a chip whose quad enable is clear is left as it is."""
    chip = replace(
        chip_file("gd25q128e"),
        quad_enable=QuadEnable.NONE,
        read=ReadCommand(0x0B, Lines(1, 1, 1), 0, 0, 8, 50_000_000),
        program=ProgramCommand(0x02, Lines(1, 1, 1), 400, 3000),
    )
    loader = build_loader(make_board(chips=(chip,)), tmp_path, Toolchain.zig())
    twin = with_faults(load_twin("stm32f746g-disco"), {"chip": "GD25Q128E", "start": "noise"}).twin
    board = SimulatedBoard(twin, BoardState.in_memory("7"))
    session = LoaderSession(TargetLink(board), loader)
    session.start(3300)
    session.identify_chip()
    session.select_chip(0)
    exercise(board, session, 0x3000)
    assert present(board, "sr2") == 0
