"""Turns a failed command of the loader into one line that names region, address, registers and limit."""

from __future__ import annotations

from collections.abc import Callable

from boardflash.description.model import Board, Chip
from boardflash.errors import BoardflashError, ExitCode
from boardflash.image.model import Piece
from boardflash.loader.protocol import Operation, Result, Status
from boardflash.program.steps import Step

REGION_NAMES = ("internal", "qspi")
_SR1_WEL = 1 << 1  # write enable latch
#: However the bytes came to the device, it is programmed with them.

PROGRAMS = (Operation.PROGRAM, Operation.PROGRAM_LZ4, Operation.COPY)

_MEANING: dict[Status, str] = {
    Status.BAD_COMMAND: "the loader refused the command: misaligned or out of range",
    Status.TIMEOUT: "still busy after the datasheet's maximum",
    Status.ERASE_FAILED: "the device reports a failed erase",
    Status.PROGRAM_FAILED: "the device reports a failed program operation",
    Status.PROTECTED: "write protection stands in the way",
    Status.NO_CHIP: "no chip answers",
    Status.QUAD_ENABLE: "the quad enable bit does not stick",
    Status.VERIFY: "the device holds other bytes",
    Status.CONTROLLER: "the controller reports a transfer error or stays busy",
    Status.NOT_SELECTED: "no chip has been selected",
    Status.WRITE_ENABLE: "the write enable latch does not set",
    Status.UNPROVED: "the chip reads other bytes than on one line",
}


class Mismatch(BoardflashError):  # noqa: N818 - it is a fault of the device, told as any other
    """A piece that does not hold what was written."""

    def __init__(self, message: str, *, where: str, piece: Piece) -> None:
        super().__init__(message, where=where, code=ExitCode.VERIFY_FAILED)
        self.piece = piece


class Unproved(BoardflashError):  # noqa: N818 - it is a fault of the board's description
    """The chip's read mode gives other bytes than one line; `Prover.explained` says which."""

    def __init__(self, where: str, address: int, how_often: str = "") -> None:
        super().__init__(
            f"the chip reads other bytes {how_often}in its read mode than on one line",
            where=where,
            code=ExitCode.DEVICE_FAILED,
        )
        self.address = address
        self.how_often = how_often


class StepFailed(BoardflashError):  # noqa: N818 - it is a fault of the device, told as any other
    """A step that the loader could not do."""

    def __init__(self, message: str, *, where: str, region: int, address: int, status: Status) -> None:
        super().__init__(message, where=where, code=ExitCode.DEVICE_FAILED)
        self.region = region
        self.address = address
        self.status = status


def explainer(board: Board, chip: Chip | None) -> Callable[[int, Step, Result], BoardflashError]:
    """A function that explains a failed step on this board with this chip."""

    def explain(region: int, step: Step, result: Result) -> BoardflashError:
        name = REGION_NAMES[region]
        address = result.failed_address or step.address
        meaning = _MEANING.get(result.status, f"loader status {int(result.status)}")
        if name == "qspi" and chip is not None and _ignored(chip, result):
            meaning = (
                "the chip ignored the command, its write enable latch is still set: fits an opcode or line"
                f" count that this chip does not have ({_command(chip, step)}), quad enable being clear, or"
                f" write protection; check {chip.file}"
            )
        return StepFailed(
            f"{_verb(step.operation)} of {step.length} bytes failed: {meaning}"
            f"{_limit(board, chip, name, step)}; {_registers(name, result.registers)}",
            where=f"{board.name}: {name} {address:#010x}",
            region=region,
            address=address,
            status=result.status,
        )

    return explain


def _ignored(chip: Chip, result: Result) -> bool:
    """Chips without error bits of their own clear WEL by what they carry out, and by nothing else."""
    no_error_bits = not chip.flag_status and chip.fail_status is None
    failed = result.status in (Status.PROGRAM_FAILED, Status.ERASE_FAILED)
    return failed and no_error_bits and bool(result.registers[0] & _SR1_WEL)


def _command(chip: Chip, step: Step) -> str:
    if step.operation in PROGRAMS:
        return f"{chip.program.opcode:02X}h on {chip.program.lines}"
    erase = next((erase for erase in chip.erases if erase.size == step.length), chip.chip_erase)
    return f"{erase.opcode:02X}h"


def _verb(operation: Operation) -> str:
    return "program" if operation in PROGRAMS else operation.name.lower()


def _limit(board: Board, chip: Chip | None, region: str, step: Step) -> str:
    if region == "qspi" and chip is not None:
        if step.operation == Operation.ERASE:
            erases = [erase for erase in chip.erases if erase.size == step.length] or [chip.chip_erase]
            return f" (limit {erases[0].max_ms} ms on {chip.name})"
        if step.operation in PROGRAMS:
            return f" (limit {chip.program.max_us} us a page on {chip.name})"
    if region == "internal":
        if step.operation == Operation.ERASE:
            limits = {run.erase_max_ms for run in board.mcu.flash.sectors if run.size == step.length}
            return f" (limit {max(limits)} ms)" if limits else ""
        if step.operation in PROGRAMS:
            return f" (limit {board.mcu.flash.program_max_us} us a word)"
    return ""


def _registers(region: str, detail: tuple[int, ...]) -> str:
    names = ("SR1", "SR2/FSR", "QUADSPI_SR", "QUADSPI_CR") if region == "qspi" else ("SR", "CR", "OPTCR", "-")
    return ", ".join(f"{name} {value:#x}" for name, value in zip(names, detail, strict=False) if name != "-")
