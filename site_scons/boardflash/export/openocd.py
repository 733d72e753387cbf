"""<board>.cfg for OpenOCD 0.12: its own target file, and what is soldered on the board, from the board file.

Read from v0.12.0: src/flash/nor/stmqspi.c takes its mode from the registers as it finds them and wants the
chip in memory-mapped mode after each reset; src/flash/nor/spi.c knows chips by three ID bytes. The interface
is the user's: his file comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.description.model import Board
from boardflash.errors import BoardflashError
from boardflash.templates import render_template

from .formats import ExportRequest
from .openocd_qspi import qspi_values
from .wording import one_line, save

TEMPLATE = "openocd.cfg"


@dataclass(frozen=True)
class Target:
    """What OpenOCD's stock target file of a die does, as far as we build on it."""

    file: str
    cpu: str  # the target is called $_CHIPNAME.<cpu>
    hclk_hz: int  # after its reset-init handler
    reset_hclk_hz: int
    fsize_over: int  # FSIZE this much above the chip's: H7 mishandles its last bytes else (stmqspi.c)
    connects_under_reset: bool
    second_bank_above: int | None  # the flash size above which its second bank has to be asked for


TARGETS = {
    "stm32f746": Target("target/stm32f7x.cfg", "cpu", 160_000_000, 16_000_000, 0, True, None),
    "stm32h743": Target("target/stm32h7x.cfg", "cpu0", 64_000_000, 64_000_000, 1, False, 0x10_0000),
}
RESET_DIVIDER = 6  # stm32f7x.cfg: the adapter's clock at most a sixth of the core's
FAST_KHZ_MAX = 8000  # what stm32f7x.cfg dares at 160 MHz


def names(board: Board) -> tuple[str, ...]:
    return (f"{board.name}.cfg",)


def write(request: ExportRequest) -> None:
    save(request.folder / names(request.board)[0], config(request.board))


def config(board: Board) -> str:
    target = TARGETS.get(board.mcu.name)
    if target is None:
        raise BoardflashError(
            f"we know of no OpenOCD target file for {board.mcu.title}", where=board.mcu.file
        )
    bank_limit = target.second_bank_above
    values = {
        "title": f"{one_line(board.title)} ({board.part.number})",
        "board": board.name,
        "interface": board.probe.interface,
        "target": target,
        "second_bank": bank_limit is not None and board.part.flash_size > bank_limit,
        "under_reset": board.probe.connect_under_reset and target.connects_under_reset,
        "slow_khz": min(board.probe.speed_khz, target.reset_hclk_hz // RESET_DIVIDER // 1000),
        "fast_khz": min(board.probe.speed_khz, FAST_KHZ_MAX),
        "qspi": board.qspi is not None,
    }
    if board.qspi:
        values |= qspi_values(board, target.hclk_hz, target.fsize_over)
    return render_template(TEMPLATE, values)
