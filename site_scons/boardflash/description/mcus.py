"""A die file into an `Mcu`: registers, RAM, internal flash layout and the clock set-up of the loader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boardflash.description.amend import apply_assumed
from boardflash.description.model import (
    ClockTree,
    InternalFlash,
    Mcu,
    QspiController,
    RegisterWrite,
    SectorRun,
)
from boardflash.description.toml_tables import Table, check_head

HCLK_HZ_MAX = (
    180_000_000  # of the real clock: STM32F7 without over-drive, the lowest of the dies that we have
)
LOADER_BYTES = 14 * 1024  # code and mailbox of the target loader, at most
BUFFER_BYTES_MIN = 16 * 1024  # two 4 KiB blocks for each of the two regions
_WORD = 0xFFFF_FFFF
_KEYS = (
    "schema",
    "name",
    "title",
    "core",
    "lines",
    "device_id",
    "idcode",
    "ram",
    "gpio",
    "watchdog",
    "other_ram",
    "simulated",
    "flash",
    "qspi",
    "clock",
)


@dataclass(frozen=True)
class Die:
    """An `Mcu`, and which parts are made of it."""

    mcu: Mcu
    lines: tuple[str, ...]  # "STM32F746": how the part numbers begin
    flash_sizes: tuple[int, ...]  # of its parts, where one run of sectors from the start describes them


def parse_mcu(data: Mapping[str, Any], file: str, stem: str) -> Die:
    """The die that `data` describes."""
    amended, assumptions = apply_assumed(data, file, stem)
    top = Table(amended, file, "", _KEYS)
    name = check_head(top, stem)
    lines = top.texts("lines")
    ram = top.table("ram", ("base", "size"))
    ram_size = ram.integer("size", 1, 1 << 28)
    if ram_size < LOADER_BYTES + BUFFER_BYTES_MIN:
        ram.fail(
            "size",
            f"too small: the loader takes {LOADER_BYTES} bytes and its buffers at least {BUFFER_BYTES_MIN}",
        )
    gpio = top.table("gpio", ("base", "stride"))
    flash_table = top.table("flash", _FLASH_KEYS)
    flash = _flash(flash_table)
    mcu = Mcu(
        name=name,
        file=file,
        title=top.text("title"),
        core=top.choice("core", ("cortex-m4", "cortex-m7")),
        device_id=top.integer("device_id", 0, 0xFFF),
        idcode_address=top.integer("idcode", 0, _WORD),
        ram_base=ram.integer("base", 0, _WORD),
        ram_size=ram_size,
        gpio_base=gpio.integer("base", 0, _WORD),
        gpio_stride=gpio.integer("stride", 4, 1 << 20),
        watchdog=top.integer("watchdog", 0, _WORD),
        flash=flash,
        qspi=_qspi(top.table("qspi", _QSPI_KEYS)),
        clock=_clock(top.table("clock", _CLOCK_KEYS)),
        simulated=top.boolean("simulated"),
        assumptions=assumptions,
        other_ram=_other_ram(top),
    )
    return Die(mcu, lines, _sizes(flash_table, flash))


_FLASH_KEYS = (
    "driver",
    "registers",
    "base",
    "sizes",
    "sectors",
    "program_bytes",
    "program_typ_us",
    "program_max_us",
    "clear_only_program",
    "size_register",
    "uid",
    "otp",
)
_QSPI_KEYS = ("driver", "registers", "window", "window_size", "fifo_bytes", "abort_after_transfer")
_CLOCK_KEYS = (
    "driver",
    "hclk_hz",
    "hsi_slow_ppm",
    "hsi_fast_ppm",
    "values",
    "gpio_enable",
    "qspi_enable",
    "qspi_reset",
)


def cut_sectors(runs: tuple[SectorRun, ...], size: int) -> tuple[SectorRun, ...] | None:
    """The first `size` bytes of the runs; None if that would end inside a sector or beyond the last."""
    cut = []
    for run in runs:
        count = min(run.count, size // run.size)
        if count:
            cut.append(SectorRun(run.size, count, run.erase_typ_ms, run.erase_max_ms))
        size -= count * run.size
        if count < run.count:
            break
    return tuple(cut) if size == 0 else None


def _other_ram(top: Table) -> tuple[tuple[int, int], ...]:
    if "other_ram" not in top:
        return ()
    tables = top.tables("other_ram", ("base", "size"))
    return tuple((entry.integer("base", 0, _WORD), entry.integer("size", 1, 1 << 28)) for entry in tables)


def _flash(table: Table) -> InternalFlash:
    runs = []
    for entry in table.tables("sectors", ("size", "count", "erase_typ_ms", "erase_max_ms")):
        typ, longest = entry.integer("erase_typ_ms", 1, 600_000), entry.integer("erase_max_ms", 1, 600_000)
        if typ > longest:
            entry.fail("erase_typ_ms", f"is more than erase_max_ms = {longest}")
        size, count = entry.integer("size", 256, 1 << 24), entry.integer("count", 1, 4096)
        runs.append(SectorRun(size, count, typ, longest))
    otp = table.table("otp", ("base", "size")) if "otp" in table else None
    return InternalFlash(
        driver=_driver(table),
        registers=table.integer("registers", 0, _WORD),
        base=table.integer("base", 0, _WORD),
        sectors=tuple(runs),
        program_bytes=table.integer("program_bytes", 1, 64),
        program_typ_us=table.integer("program_typ_us", 1, 100_000),
        program_max_us=table.integer("program_max_us", 1, 1_000_000),
        clear_only_program=table.boolean("clear_only_program"),
        size_register=table.integer("size_register", 0, _WORD),
        uid_address=table.integer("uid", 0, _WORD),
        otp=(otp.integer("base", 0, _WORD), otp.integer("size", 1, 1 << 20)) if otp else None,
    )


def _sizes(table: Table, flash: InternalFlash) -> tuple[int, ...]:
    sizes = table.integers("sizes")
    for size in sizes:
        if size <= 0 or cut_sectors(flash.sectors, size) is None:
            table.fail("sizes", f"{size} does not end at the end of a sector")
    return sizes


def _qspi(table: Table) -> QspiController:
    return QspiController(
        driver=_driver(table),
        registers=table.integer("registers", 0, _WORD),
        window=table.integer("window", 0, _WORD),
        window_size=table.integer("window_size", 4096, 1 << 30),
        fifo_bytes=table.integer("fifo_bytes", 4, 1024),
        abort_after_transfer=table.boolean("abort_after_transfer"),
    )


def _clock(table: Table) -> ClockTree:
    values = table.free_table("values")
    clock = ClockTree(
        driver=_driver(table),
        hclk_hz=table.integer("hclk_hz", 1_000_000, HCLK_HZ_MAX),
        hsi_slow_ppm=table.integer("hsi_slow_ppm", 0, 200_000),
        hsi_fast_ppm=table.integer("hsi_fast_ppm", 0, 200_000),
        values={key: values.integer(key, 0, _WORD) for key in sorted(values.names())},
        gpio_enable=_register(table, "gpio_enable"),
        qspi_enable=_register(table, "qspi_enable"),
        qspi_reset=_register(table, "qspi_reset"),
    )
    fastest = clock.fastest(clock.hclk_hz)
    if fastest > HCLK_HZ_MAX:
        table.fail(
            "hclk_hz",
            f"that is {fastest} with an oscillator {clock.hsi_fast_ppm} ppm fast; {HCLK_HZ_MAX} at most",
        )
    return clock


def _register(table: Table, key: str) -> RegisterWrite:
    entry = table.table(key, ("address", "set_bits"))
    return RegisterWrite(entry.integer("address", 0, _WORD), entry.integer("set_bits", 1, _WORD))


def _driver(table: Table) -> str:
    name = table.text("driver")
    if not re.fullmatch(r"[a-z0-9_]+", name):
        table.fail("driver", "expected the name of a C file of the loader, without .c")
    return name
