"""The plan file: round trip, the same bytes everywhere, and a named refusal for each kind of damage."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boardflash.description.facts import board_digest
from boardflash.errors import BoardflashError
from boardflash.image.inputs import InputSpec
from boardflash.plan.describe import describe
from boardflash.plan.file import load_plan, make_plan
from boardflash.plan.model import FlashPlan, LoaderRef
from plan.plan_boards import make_board, make_split, write_inputs, write_loader


def build(root: Path, board_file: str = "/home/someone/boards/testboard.toml") -> FlashPlan:
    board = make_board(board_file)
    specs = write_inputs(root / "in")
    loader = write_loader(root / "build" / "loader")
    return make_plan(board, make_split(board, specs), loader, specs, root / "build" / "app")


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_plan_reads_back_as_it_was_made(tmp_path: Path) -> None:
    made = build(tmp_path)
    read = load_plan(tmp_path / "build" / "app" / "plan.json")
    assert read == made
    assert read.digest == made.digest
    assert read.board == replace(
        make_board("testboard.toml"),
        mcu=replace(make_board().mcu, file="stm32f746.toml"),
        qspi=replace(
            make_board().qspi,  # type: ignore[type-var]
            chips=tuple(replace(c, file="testchip.toml") for c in make_board().qspi.chips),  # type: ignore[union-attr]
        ),
    )


def test_a_plan_needs_nothing_but_its_folder_and_the_loader(tmp_path: Path) -> None:
    build(tmp_path / "here")
    shutil.move(str(tmp_path / "here" / "build"), tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "here")
    plan = load_plan(tmp_path / "elsewhere" / "app" / "plan.json")
    assert plan.loader_path.read_bytes() == b"not really a loader"
    image = plan.region_image("qspi")
    assert image.address == 0x9000_0800
    assert image.to_bin() == bytes(i * 7 & 0xFF for i in range(0x2345))
    assert image.pieces(0x1000) == plan.region("qspi").digests


def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path / "one", "/home/one/boards/testboard.toml")
    build(tmp_path / "another place", "C:\\Users\\two\\boards\\testboard.toml")
    one, two = files_below(tmp_path / "one" / "build"), files_below(tmp_path / "another place" / "build")
    assert sorted(one) == [
        "app/internal.bin",
        "app/internal.hex",
        "app/plan.json",
        "app/qspi.bin",
        "app/qspi.hex",
        "loader/loader.elf",
    ]
    assert one == two


def test_the_order_of_the_inputs_changes_no_image(tmp_path: Path) -> None:
    board, loader = make_board(), write_loader(tmp_path / "loader")
    specs = write_inputs(tmp_path / "in")
    plans = [
        make_plan(board, make_split(board, order), loader, order, tmp_path / name)
        for name, order in (("a", specs), ("b", specs[::-1]))
    ]
    assert plans[0].regions == plans[1].regions


def test_no_path_of_the_machine_is_in_the_plan(tmp_path: Path) -> None:
    build(tmp_path)
    text = (tmp_path / "build" / "app" / "plan.json").read_text()
    for foreign in (str(tmp_path), "/home", "/somewhere", "someone"):
        assert foreign not in text


def test_the_file_has_sorted_keys_and_ends_its_last_line(tmp_path: Path) -> None:
    build(tmp_path)
    text = (tmp_path / "build" / "app" / "plan.json").read_text()

    def in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)
        return dict(pairs)

    assert json.loads(text, object_pairs_hook=in_order)["schema"] == 1
    assert text.endswith("}\n")


def test_digests_are_blake2s_of_the_covered_bytes_of_each_granule(tmp_path: Path) -> None:
    plan = build(tmp_path)
    data = bytes(i * 7 & 0xFF for i in range(0x2345))
    expected = [
        (0x9000_0800, data[:0x800]),
        (0x9000_1000, data[0x800:0x1800]),
        (0x9000_2000, data[0x1800:]),
    ]
    assert [(p.address, p.size, p.digest) for p in plan.region("qspi").digests] == [
        (address, len(part), hashlib.blake2s(part, digest_size=16).digest()) for address, part in expected
    ]


def test_one_changed_byte_changes_the_digest_of_the_plan(tmp_path: Path) -> None:
    first = build(tmp_path / "a")
    board, specs = make_board(), write_inputs(tmp_path / "b")
    specs[2].path.write_bytes(b"\x01" + specs[2].path.read_bytes()[1:])
    loader = write_loader(tmp_path / "b" / "loader")
    second = make_plan(board, make_split(board, specs), loader, specs, tmp_path / "b" / "app")
    assert first.digest != second.digest


def test_every_fact_of_the_board_counts_but_its_folder_does_not() -> None:
    board = make_board()
    assert board_digest(board) == board_digest(make_board("/other/testboard.toml"))
    assert board_digest(board) != board_digest(replace(board, boot_guard="never"))


def test_a_loader_that_changed_behind_the_build_is_refused(tmp_path: Path) -> None:
    board, specs = make_board(), write_inputs(tmp_path / "in")
    loader = write_loader(tmp_path)
    loader.file.write_bytes(b"another loader")
    with pytest.raises(BoardflashError, match="is not the file that the plan was made with"):
        make_plan(board, make_split(board, specs), loader, specs, tmp_path / "app")
    missing = LoaderRef(tmp_path / "none.elf", "0" * 64, "zig", 1)
    with pytest.raises(BoardflashError, match=r"none\.elf: missing; build again"):
        make_plan(board, make_split(board, specs), missing, specs, tmp_path / "app")


def test_the_description_tells_what_a_user_may_ask(tmp_path: Path) -> None:
    text = "\n".join(describe(build(tmp_path)))
    for expected in (
        "board   testboard (Test Board)",
        "MCU     STM32F746NG, device ID 0x449, J-Link device STM32F746NG",
        "chip    testchip, 16777216 bytes, JEDEC ID EF 40 18 or EF 70 18",
        "loader  ../loader/loader.elf, zig 0.17.1",
        "input   art.bin, ",
        "region  internal: 13280 bytes in 2 runs, 0x08000000 to 0x0800bedf, 2 digests of at most 32768 bytes",
        "protect qspi: 65536 bytes at 0x90ff0000 are never erased",
        "override   qspi.chip.testchip.read.dummy_cycles = 4 (chip file: 6)",
        "assumption read.mode_value = FFh: ",
    ):
        assert expected in text


Change = Callable[[dict[str, Any]], object]

DAMAGE: dict[str, tuple[Change, str]] = {
    "no schema": (
        lambda d: d.pop("schema"),
        "plan schema 1 is expected, it has none; make the plan again with this version",
    ),
    "newer schema": (
        lambda d: d.update(schema=2),
        "plan schema 1 is expected, found 2; make the plan again with this version",
    ),
    "unknown key": (lambda d: d.update(extra=1), "extra: unknown key"),
    "missing key": (lambda d: d.pop("loader"), "loader: missing key"),
    "missing inner key": (lambda d: d["regions"][1].pop("sha256"), "regions[1].sha256: missing key"),
    "wrong type": (
        lambda d: d["regions"][0].update(address="0x08000000"),
        'regions[0].address: must be an integer, found "0x08000000"',
    ),
    "bool for int": (
        lambda d: d["loader"].update(protocol=True),
        "loader.protocol: must be an integer, found true",
    ),
    "table for list": (lambda d: d.update(regions={}), "regions: must be a list, found {}"),
    "null": (lambda d: d.update(board_name=None), "board_name: must be a string, found null"),
    "unknown enum": (
        lambda d: d["board"]["qspi"]["chips"][0].update(quad_enable="S9"),
        "board.qspi.chips[0].quad_enable: must be one of NONE, S1B6, S2B1v1, S2B1v4, S2B1v5, S2B1v6, S2B7, "
        'found "S9"',
    ),
    "not hex": (
        lambda d: d["regions"][0]["digests"][0].__setitem__(2, "xy"),
        'regions[0].digests[0][2]: must be hex digits, found "xy"',
    ),
    "upper case hex": (
        lambda d: d["regions"][0]["digests"][0].__setitem__(2, "AB"),
        'regions[0].digests[0][2]: must be hex digits in lower case, found "AB"',
    ),
    "short row": (
        lambda d: d["regions"][0]["runs"][0].pop(),
        "regions[0].runs[0]: must have 2 elements, found 1",
    ),
    "board changed": (
        lambda d: d["board"]["qspi"]["chips"][0].update(size=0x200_0000),
        "board_digest: the board's facts were changed by hand: their digest is ",
    ),
    "told otherwise": (
        lambda d: d.update(mcu_part="STM32F746ZG"),
        "mcu_part: is not what the plan's board says; make the plan again",
    ),
    "absolute loader": (
        lambda d: d["loader"].update(file="/tmp/loader.elf"),
        'loader.file: "/tmp/loader.elf" must be a path relative to the plan, with "/"',
    ),
    "absolute image": (
        lambda d: d["regions"][0].update(file="C:/x.bin"),
        'regions[0].file: "C:/x.bin" must be a path relative to the plan, with "/"',
    ),
    "image elsewhere": (
        lambda d: d["regions"][0].update(file="sub/../../x.bin"),
        'regions[0].file: "sub/../../x.bin" leaves the plan\'s folder',
    ),
    "image in the folder above": (
        lambda d: d["regions"][0].update(file="../x.bin"),
        'regions[0].file: "../x.bin" leaves the plan\'s folder',
    ),
    "loader two folders above": (
        lambda d: d["loader"].update(file="../../loader.elf"),
        'loader.file: "../../loader.elf" leaves the plan\'s folder',
    ),
    "no loader": (
        lambda d: d["loader"].update(file=".."),
        'loader.file: ".." leaves the plan\'s folder',
    ),
    "backslashes": (
        lambda d: d["regions"][0].update(file="..\\x.bin"),
        'regions[0].file: "..\\x.bin" must be a path relative to the plan, with "/"',
    ),
    "unknown region": (
        lambda d: d["regions"][0].update(name="eeprom"),
        'regions[0].name: the board has no region "eeprom", only internal, qspi',
    ),
    "region twice": (
        lambda d: d["regions"].append(d["regions"][0]),
        'regions[2]: region "internal" stands twice',
    ),
    "other granule": (
        lambda d: d["regions"][1].update(granule=0x2000),
        "regions[1].granule: 8192 bytes, the board says 4096",
    ),
    "other file hash": (
        lambda d: d["regions"][1].update(sha256="0" * 64),
        "qspi.bin: is not the file that the plan was made with: SHA-256 ",
    ),
    "other length": (
        lambda d: d["regions"][1].update(length=0x2346),
        "regions[1].runs: do not start at `address` or do not end after `length` bytes",
    ),
    "no runs": (lambda d: d["regions"][1].update(runs=[]), "regions[1].runs: must hold at least one run"),
    "run outside": (
        lambda d: d["regions"][1]["runs"][0].__setitem__(0, 0x8FFF_F000),
        "regions[1].runs[0]: 9029 bytes at 0x8ffff000: runs must be in order, apart, and inside "
        "0x90000000 to 0x90ffffff",
    ),
    "endless run": (
        lambda d: d["regions"][1]["runs"][0].__setitem__(1, 1 << 40),
        "regions[1].runs[0]: 1099511627776 bytes at 0x90000800: runs must be in order, apart, and inside "
        "0x90000000 to 0x90ffffff",
    ),
    "other digest": (
        lambda d: d["regions"][1]["digests"][1].__setitem__(2, "00" * 16),
        "regions[1].digests: the digests are not those of qspi.bin, first at 0x90001000; make the plan again",
    ),
    "digest left out": (
        lambda d: d["regions"][1]["digests"].pop(),
        "regions[1].digests: the digests are not those of qspi.bin, first at 0x90000800; make the plan again",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_to_the_plan_is_named(kind: str, tmp_path: Path) -> None:
    build(tmp_path)
    path = tmp_path / "build" / "app" / "plan.json"
    data = json.loads(path.read_text())
    change, message = DAMAGE[kind]
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(BoardflashError) as caught:
        load_plan(path)
    told = str(caught.value)
    assert message in told
    assert told.startswith(str(path.parent))
    assert "\n" not in told


@pytest.mark.parametrize("name", ["internal.bin", "qspi.bin", "../loader/loader.elf"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    build(tmp_path)
    folder = tmp_path / "build" / "app"
    (folder / name).unlink()
    with pytest.raises(BoardflashError) as caught:
        load_plan(folder / "plan.json")
    assert str(caught.value) == f"{folder / name}: missing; build again, or copy it beside the plan"


@pytest.mark.parametrize("name", ["internal.bin", "qspi.bin", "../loader/loader.elf"])
def test_a_file_with_one_bit_changed_is_named(name: str, tmp_path: Path) -> None:
    build(tmp_path)
    file = tmp_path / "build" / "app" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    planned = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(BoardflashError) as caught:
        load_plan(tmp_path / "build" / "app" / "plan.json")
    assert str(caught.value) == (
        f"{file}: is not the file that the plan was made with: SHA-256 {found[:12]}..., "
        f"planned {planned[:12]}...; build again"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1: not JSON: Expecting value"),
        (b'{"schema": 1,', "not JSON: Expecting property name enclosed in double quotes"),
        (b"[]", "not a flash plan: a JSON table is expected"),
        (b"\xff\xfe", "not a flash plan: not UTF-8 text"),
        (b"[" * 100_000, "not a flash plan"),
        (b'{"schema": ' + b"9" * 10_000 + b"}", "not a flash plan"),
    ],
)
def test_what_is_no_plan_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(BoardflashError) as caught:
        load_plan(path)
    assert message in str(caught.value)


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardflashError, match="no such plan; make it with `scons plan`"):
        load_plan(tmp_path / "plan.json")


def test_a_region_image_is_checked_again_when_it_is_read(tmp_path: Path) -> None:
    plan = build(tmp_path)
    (plan.folder / "qspi.bin").write_bytes(b"swapped")
    with pytest.raises(BoardflashError, match="is not the file that the plan was made with"):
        plan.region_image("qspi")


def test_an_input_that_vanished_is_named(tmp_path: Path) -> None:
    board, specs, loader = make_board(), write_inputs(tmp_path / "in"), write_loader(tmp_path)
    split = make_split(board, specs)
    with pytest.raises(BoardflashError, match=r"gone\.bin: no such file"):
        make_plan(board, split, loader, [InputSpec(tmp_path / "gone.bin", 0)], tmp_path / "app")
