"""A board file into a `Board`: what the TOML says, joined with the part's pins, its die and its chips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boardflash.description.amend import apply_override, refuse_fixed
from boardflash.description.chips import CHIP_KEYS, parse_chip
from boardflash.description.files import Library
from boardflash.description.mcus import Die
from boardflash.description.model import Assumption, Board, Chip, Part, ProbeSettings, Qspi
from boardflash.description.parts import Row, find_part, pins_of_family, read_parts, read_pins
from boardflash.description.pins import CONTROL_SIGNALS, DATA_SIGNALS, PinTable, parse_pins
from boardflash.description.regions import internal_region, protected_ranges, qspi_region
from boardflash.description.toml_tables import Table, check_head
from boardflash.errors import BoardflashError

BOARD_KEYS = ("schema", "name", "title", "mcu", "probe", "qspi", "internal", "protect", "boot_guard")
_QSPI_KEYS = ("bank", "chips", "clock_hz_max", "pins", "chip", "loader")
_FIXED_CHIP_KEYS = ("schema", "name", "jedec_id", "vendor", "title", "assumed")


def parse_board(
    data: Mapping[str, Any], file: str, stem: str, library: Library, folder: Path = Path()
) -> Board:
    """The board that `data` describes; `library` finds its chips and its die, in `folder` lies its file."""
    top = Table(data, file, "", BOARD_KEYS)
    name = check_head(top, stem)
    part, die = _part(top, library)
    assumptions: list[Assumption] = []
    probe = _probe(top, assumptions)
    qspi, overrides = _qspi(top, part, die, library)
    protects = protected_ranges(top, has_qspi="qspi" in top)
    regions = [internal_region(top, die.mcu, part, protects, folder)]
    if "qspi" in top:
        regions.append(qspi_region(top, die.mcu, qspi.chips if qspi else (), protects, folder))
    return Board(
        name=name,
        file=file,
        title=top.text("title"),
        mcu=die.mcu,
        part=part,
        probe=probe,
        qspi=qspi,
        regions=tuple(regions),
        boot_guard=top.choice("boot_guard", ("internal", "always", "never"), "internal"),
        overrides=overrides,
        assumptions=tuple(assumptions),
    )


def _part(top: Table, library: Library) -> tuple[Part, Die]:
    number = top.text("mcu")
    rows = find_part(number, read_parts(library.tables), top.where("mcu"))
    die = _die(top, rows[0], library)
    part = Part(
        number=rows[0].number,
        pattern=" ".join(sorted(row.pattern for row in rows)),
        package="/".join(sorted({row.package for row in rows})),
        flash_size=rows[0].flash_size,
        pinset=rows[0].pinset,
        jlink_device=rows[
            0
        ].number,  # SEGGER names STM32 devices by the number without package and temperature
    )
    if part.flash_size not in die.flash_sizes:
        known = ", ".join(f"{size >> 10} KiB" for size in die.flash_sizes)
        top.fail(
            "mcu", f"{part.number} has {part.flash_size >> 10} KiB of flash; {die.mcu.file} describes {known}"
        )
    return part, die


def _die(top: Table, row: Row, library: Library) -> Die:
    if not row.has_quadspi:
        has = " and ".join(row.controllers.split("+"))
        top.fail(
            "mcu", f"{row.number} has {has}, which no driver serves yet; QUADSPI is the one that is served"
        )
    dies = [library.mcu(name) for name in library.names("mcus")]
    for die in dies:
        if die.mcu.device_id == row.device_id and row.number.startswith(die.lines):
            return die
    known = ", ".join(f"{die.mcu.name} ({die.mcu.title})" for die in dies)
    raise BoardflashError(
        f"no die file for {row.number} (device ID {row.device_id:#05x}); there are {known}",
        where=top.where("mcu"),
    )


def _probe(top: Table, assumptions: list[Assumption]) -> ProbeSettings:
    keys = ("interface", "speed_khz", "connect_under_reset")
    table = top.table("probe", keys) if "probe" in top else Table({}, top.file, "probe", keys)
    if "speed_khz" not in table:
        reason = "the board file gives no speed; 4 MHz SWD works on most boards"
        assumptions.append(Assumption("probe.speed_khz", "4000", reason))
    return ProbeSettings(
        interface=table.choice("interface", ("swd",), "swd"),
        speed_khz=table.integer("speed_khz", 5, 50_000, 4000),
        connect_under_reset=table.boolean("connect_under_reset", False),
    )


def _qspi(top: Table, part: Part, die: Die, library: Library) -> tuple[Qspi | None, tuple[str, ...]]:
    if "qspi" not in top:
        return None, ()
    table = top.table("qspi", _QSPI_KEYS)
    if "loader" in table and "chips" not in table:
        for key in table.names():
            if key != "loader":
                table.fail(key, "means nothing to a loader of its own; leave it out, or name the chips, too")
        return None, ()
    bank = table.integer("bank", 1, 2, 1)
    chips, overrides = _chips(table, library)
    pins = parse_pins(
        table.table("pins", (*CONTROL_SIGNALS, *DATA_SIGNALS)),
        bank,
        PinTable(
            part.number,
            read_pins(library.tables, part.pinset),
            pins_of_family(library.tables, part.pinset),
        ),
        chips,
    )
    window = die.mcu.qspi.window_size
    for chip in chips:
        if chip.size > window:
            table.fail(
                "chips",
                f"{chip.name} has {chip.size >> 20} MiB; the controller's window holds {window >> 20} MiB",
            )
    clock = table.integer("clock_hz_max", 100_000, 500_000_000)
    return Qspi(bank=bank, pins=pins, clock_hz_max=clock, chips=chips), overrides


def _chips(table: Table, library: Library) -> tuple[tuple[Chip, ...], tuple[str, ...]]:
    names = table.texts("chips")
    if len(set(names)) != len(names):
        table.fail("chips", "a chip stands there twice")
    overrides = table.table("chip", names) if "chip" in table else None
    chips: list[Chip] = []
    lines: list[str] = []
    for name in names:
        file, data = library.chip_data(name, table.where("chips"))
        if overrides and name in overrides:
            override = overrides.table(name, CHIP_KEYS)
            refuse_fixed(override, _FIXED_CHIP_KEYS)
            chip, changed = _overridden(data, override, file, name)
            lines += changed
        else:
            chip = parse_chip(data, file, name)
        chips.append(chip)
    _check_alternates(table, chips)
    return tuple(chips), tuple(lines)


def _overridden(
    data: Mapping[str, Any], override: Table, file: str, name: str
) -> tuple[Chip, tuple[str, ...]]:
    prefix = f"qspi.chip.{name}"
    amended, changed = apply_override(data, override.raw(), prefix, override.where())
    try:
        return parse_chip(amended, file, name), changed
    except BoardflashError as error:
        parse_chip(data, file, name)  # if the chip file is at fault, it says so itself
        place = error.where.removeprefix(f"{file}: ")
        place = f"[{prefix}.{place[1:]}" if place.startswith("[") else f"[{prefix}] {place}"
        raise BoardflashError(error.message, where=f"{override.file}: {place}") from None


def _check_alternates(table: Table, chips: list[Chip]) -> None:
    first = chips[0]
    for index, chip in enumerate(chips):
        if chip.size != first.size:
            table.fail(
                "chips",
                f"alternates must agree in size; {first.name} has {first.size >> 20} MiB, "
                f"{chip.name} {chip.size >> 20} MiB",
            )
        for other in chips[:index]:
            same = set(chip.jedec_ids) & set(other.jedec_ids)
            if same:
                shown = min(same).hex(" ").upper()
                table.fail(
                    "chips",
                    f"{other.name} and {chip.name} answer the same ID {shown}; nothing tells them apart",
                )
