"""probe-rs's target description against a schema of its parser, and against the algorithms themselves.

The schema is written from github:probe-rs/probe-rs@67993c4b probe-rs-target/src: which keys each struct has,
which are required, their types and widths, and what ChipFamily::validate asks for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from boardflash.description.load import list_boards, load_board
from boardflash.errors import BoardflashError
from boardflash.export.flm import build_flm, flm_workshop
from boardflash.export.formats import ExportRequest, export, format_named
from boardflash.export.probe_rs import description
from boardflash.export.storage import internal_storage
from export.yaml_subset import Tagged, load

BOARD = "stm32f746g-disco"
Check = Callable[[Any], None]


def unsigned(bits: int) -> Check:
    def check(value: Any) -> None:
        assert type(value) is int and 0 <= value < 1 << bits, value

    return check


def text(value: Any) -> None:
    assert type(value) is str and value


def boolean(value: Any) -> None:
    assert type(value) is bool


def list_of(item: Check) -> Check:
    def check(value: Any) -> None:
        assert type(value) is list
        for each in value:
            item(each)

    return check


def struct(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """`deny_unknown_fields`, with serde's rule that an Option may be left out."""
    known = {**required, **(optional or {})}

    def check(value: Any) -> None:
        assert type(value) is dict, value
        assert set(required) <= set(value) <= set(known), set(value) ^ set(required)
        for key, each in value.items():
            known[key](each)

    return check


def variant(**kinds: Check) -> Check:
    """An enum: a YAML tag."""

    def check(value: Any) -> None:
        assert isinstance(value, Tagged), value
        kinds[value.tag](value.value)

    return check


def address_range(value: Any) -> None:
    struct({"start": unsigned(64), "end": unsigned(64)})(value)
    assert value["start"] < value["end"]


def one_of(*words: str) -> Check:
    def check(value: Any) -> None:
        assert value in words, value

    return check


def base64_standard(value: Any) -> None:
    text(value)
    base64.b64decode(value, validate=True)
    assert len(value) % 4 == 0


ACCESS = struct({}, dict.fromkeys(("read", "write", "execute", "boot"), boolean))
REGION = struct(
    {"range": address_range, "cores": list_of(text)}, {"name": text, "is_alias": boolean, "access": ACCESS}
)
CORE = struct(
    {
        "name": text,
        "type": one_of("armv6m", "armv7m", "armv7em", "armv8m"),
        "core_access_options": variant(
            Arm=struct(
                {"ap": variant(v1=unsigned(8), v2=unsigned(64))},
                {"targetsel": unsigned(32), "debug_base": unsigned(64), "cti_base": unsigned(64)},
            )
        ),
    }
)
CHIP = struct(
    {"name": text, "memory_map": list_of(variant(Ram=REGION, Nvm=REGION)), "cores": list_of(CORE)},
    {"part": unsigned(16), "svd": text, "package_variants": list_of(text), "flash_algorithms": list_of(text)},
)
PROPERTIES = struct(
    {
        "address_range": address_range,
        "page_size": unsigned(32),
        "erased_byte_value": unsigned(8),
        "program_page_timeout": unsigned(32),
        "erase_sector_timeout": unsigned(32),
    },
    {"sectors": list_of(struct({"size": unsigned(64), "address": unsigned(64)}))},
)
ALGORITHM = struct(
    {
        "name": text,
        "description": text,
        "instructions": base64_standard,
        "pc_program_page": unsigned(64),
        "pc_erase_sector": unsigned(64),
        "data_section_offset": unsigned(64),
        "flash_properties": PROPERTIES,
    },
    {
        "default": boolean,
        **dict.fromkeys(("pc_init", "pc_uninit", "pc_erase_all", "pc_verify"), unsigned(64)),
        **dict.fromkeys(("pc_blank_check", "pc_read", "load_address", "data_load_address"), unsigned(64)),
        "cores": list_of(text),
        "stack_size": unsigned(32),
        "stack_overflow_check": boolean,
        "transfer_encoding": one_of("raw", "miniz"),
        "big_endian": boolean,
    },
)
FAMILY = struct(
    {"name": text, "variants": list_of(CHIP)},
    {
        "manufacturer": struct({"id": unsigned(8), "cc": unsigned(8)}),
        "generated_from_pack": boolean,
        "pack_file_release": text,
        "flash_algorithms": list_of(ALGORITHM),
    },
)


def validate(family: Any) -> None:
    """The schema, then ChipFamily::validate."""
    FAMILY(family)
    names = [chip["name"] for chip in family["variants"]]
    assert len(set(names)) == len(names)
    algorithms = [each["name"] for each in family["flash_algorithms"]]
    assert len(set(algorithms)) == len(algorithms)
    for chip in family["variants"]:
        assert set(chip["flash_algorithms"]) <= set(algorithms)
        cores = {core["name"] for core in chip["cores"]}
        assert cores and chip["memory_map"]
        for region in chip["memory_map"]:
            assert region.value["cores"] and set(region.value["cores"]) <= cores
    for each in family["flash_algorithms"]:
        properties = each["flash_properties"]
        limits = properties["address_range"]
        size = limits["end"] - limits["start"]
        addresses = [sector["address"] for sector in properties["sectors"]]
        assert addresses[0] == 0 and addresses == sorted(addresses) and addresses[-1] < size
        for sector, end in zip(properties["sectors"], [*addresses[1:], size], strict=True):
            assert (end - sector["address"]) % sector["size"] == 0
            assert sector["size"] % properties["page_size"] == 0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("probe-rs")
    (path,) = export(format_named("probe-rs"), ExportRequest(load_board(BOARD), folder))
    assert path.name == f"{BOARD}.yaml"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def family(written: str) -> Any:
    return load(written)


@pytest.fixture(scope="module")
def flms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The algorithms as the other hosts get them."""
    folder, board = tmp_path_factory.mktemp("flm"), load_board(BOARD)
    with flm_workshop(board, internal_storage(board)) as flm:
        internal = flm.make(folder / "internal.FLM")
    return {"qspi": build_flm(board, folder), "internal": internal}


def algorithm(family: Any, region: str) -> Any:
    (found,) = (a for a in family["flash_algorithms"] if a["name"] == f"{BOARD}-{region}")
    return found


def test_probe_rs_would_parse_and_accept_it(family: Any) -> None:
    validate(family)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pc_program_page: ", "pc_program: "),
        ("  page_size: 0x1000", "  page_size: -1"),
        ("type: armv7em", "type: cortex-m7"),
        ("ap: !v1 0", "ap: 0"),
        ("  - stm32f746g-disco-qspi", "  - other"),
        ("  erased_byte_value: 0xff", "  erased_byte_value: 0x1ff"),
    ],
)
def test_the_schema_is_strict(old: str, new: str, written: str) -> None:
    assert old in written
    with pytest.raises((AssertionError, KeyError)):
        validate(load(written.replace(old, new)))


def test_memories_are_those_of_the_board(family: Any) -> None:
    (chip,) = family["variants"]
    found = [
        (each.tag, each.value["range"]["start"], each.value["range"]["end"]) for each in chip["memory_map"]
    ]
    assert found == [
        ("Nvm", 0x08000000, 0x08100000),
        ("Nvm", 0x90000000, 0x91000000),
        ("Ram", 0x20000000, 0x20050000),
        ("Ram", 0x00000000, 0x00004000),
    ]
    assert [each.value["access"]["boot"] for each in chip["memory_map"][:2]] == [True, False]


@pytest.mark.parametrize("region", ["internal", "qspi"])
def test_instructions_and_entries_are_the_algorithms_own(
    region: str, family: Any, flms: dict[str, Path]
) -> None:
    """As target-gen takes them from the .FLM: PrgCode and PrgData in one, symbols relative to PrgCode."""
    told = algorithm(family, region)
    blob = base64.b64decode(told["instructions"])
    with flms[region].open("rb") as file:
        elf = ELFFile(file)
        code, data = elf.get_section_by_name("PrgCode"), elf.get_section_by_name("PrgData")
        table = elf.get_section_by_name(".symtab")
        address = {s.name: s["st_value"] for s in table.iter_symbols()}
        assert told["data_section_offset"] == data["sh_addr"] - code["sh_addr"]
        assert blob[: code["sh_size"]] == code.data()
        assert blob[told["data_section_offset"] :] == data.data()
        assert not any(blob[code["sh_size"] : told["data_section_offset"]])
    for key, symbol in (
        ("pc_init", "Init"),
        ("pc_uninit", "UnInit"),
        ("pc_program_page", "ProgramPage"),
        ("pc_erase_sector", "EraseSector"),
        ("pc_erase_all", "EraseChip"),
        ("pc_blank_check", "BlankCheck"),
    ):
        assert told[key] == address[symbol] and told[key] & 1 and told[key] < told["data_section_offset"]
    assert "pc_verify" not in told and "load_address" not in told


def test_properties_are_those_of_the_flash(family: Any) -> None:
    qspi = algorithm(family, "qspi")["flash_properties"]
    assert qspi["address_range"] == {"start": 0x90000000, "end": 0x91000000}
    assert (qspi["page_size"], qspi["erased_byte_value"]) == (4096, 0xFF)
    assert qspi["erase_sector_timeout"] == 3000  # N25Q128A: 3 s for 64 KiB at most
    assert qspi["sectors"] == [{"size": 0x10000, "address": 0}]
    internal = algorithm(family, "internal")["flash_properties"]
    assert internal["address_range"] == {"start": 0x08000000, "end": 0x08100000}
    assert [(s["size"], s["address"]) for s in internal["sectors"]] == [
        (0x8000, 0),
        (0x20000, 0x20000),
        (0x40000, 0x40000),
    ]


def test_every_die_that_a_shipped_board_has_gives_a_description_that_is_accepted(tmp_path: Path) -> None:
    boards = [load_board(entry.name) for entry in list_boards()]
    for board in {board.mcu.name: board for board in boards}.values():
        (path,) = export(format_named("probe-rs"), ExportRequest(board, tmp_path))
        validate(load(path.read_text(encoding="utf-8")))


def test_a_core_that_we_know_no_type_of_is_refused() -> None:
    board = load_board(BOARD)
    other = replace(board, mcu=replace(board.mcu, core="cortex-m99"))
    with pytest.raises(BoardflashError, match="no core type that we know for cortex-m99"):
        description(other, {})


def test_the_docs_name_the_file_and_the_chip() -> None:
    told = (Path(__file__).parents[2] / "docs" / "export-probe-rs.md").read_text(encoding="utf-8")
    assert re.search(rf"--chip-description-path {BOARD}\.yaml --chip {BOARD} ", told)
