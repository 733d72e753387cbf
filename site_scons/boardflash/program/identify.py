"""Identify before you touch: the die, the part, the QSPI chip. Nothing is erased before this passes."""

from __future__ import annotations

from dataclasses import dataclass

from boardflash.description.model import Board, Chip, Region
from boardflash.errors import BoardflashError, ExitCode
from boardflash.loader.protocol import ChipIdentity, SetUp, Status
from boardflash.loader.session import CommandFailed, LoaderSession
from boardflash.program.journal import Journal, vendor_reader
from boardflash.program.report import DeviceIdentity
from boardflash.state import state_dir

#: Longest recovery from a reset that we know (MT25QL512 after an erase), twice, and the commands around it.
RESET_LIMIT_S = 5.0


@dataclass(frozen=True)
class Found:
    """The device as identified, and the chip (with its row in the loader's table) chosen for it."""

    device: DeviceIdentity
    chip: Chip | None
    journal_key: dict[str, str]  # region name -> what names its memory in the journal

    def journal(self, region: Region) -> Journal:
        """The preserve journal of one region of this device."""
        reader = ""
        if region.loader is not None and region.name == "qspi" and self.chip is None:
            reader = vendor_reader(region.loader.sha256)
        key = self.journal_key[region.name]
        return Journal(state_dir(), self.device.unique_id, region.name, key, reader)


def identify(session: LoaderSession, board: Board, *, qspi: bool) -> Found:
    """Check die, flash size and, with `qspi`, the chip; select the chip in the loader.

    Raises BoardflashError with code WRONG_DEVICE before anything on the device has changed.
    """
    mcu = session.identify_mcu()
    where = board.name
    if mcu.device_id != board.mcu.device_id:
        raise BoardflashError(
            f"wrong device: the MCU's device ID is {mcu.device_id:#05x}, {board.part.number} has"
            f" {board.mcu.device_id:#05x}; check the cable and BOARD=",
            where=where,
            code=ExitCode.WRONG_DEVICE,
        )
    internal = board.region("internal")
    if mcu.flash_kib * 1024 < internal.size:
        raise BoardflashError(
            f"wrong device: its flash size register says {mcu.flash_kib} KiB, {board.part.number} has"
            f" {internal.size // 1024} KiB",
            where=where,
            code=ExitCode.WRONG_DEVICE,
        )
    if mcu.read_protected:
        raise BoardflashError(
            "read-out protection is on: the flash can't be read or written until it is lifted, which erases"
            " the device; boardflash never does that",
            where=f"{where}: internal",
            code=ExitCode.WRONG_DEVICE,
        )
    notes: list[str] = []
    chip: Chip | None = None
    jedec = ""
    set_up: tuple[str, ...] = ()
    if qspi and board.qspi is not None:
        identity = _ask_chip(session, board)
        chip = _match(board, identity)
        jedec = identity.jedec.hex(" ").upper()
        if identity.was_busy:
            notes.append("the chip was busy with an operation of an earlier run; waited for its end")
        if identity.first_try != identity.jedec:
            notes.append(
                f"the chip first answered {identity.first_try.hex(' ').upper()}: it was in another mode and"
                " was reset out of it"
            )
        set_up = _set_up_texts(chip, session.select_chip(board.qspi.chips.index(chip)))
    device = DeviceIdentity(
        part=board.part.number,
        device_id=mcu.device_id,
        unique_id=mcu.uid.hex(),
        flash_kib=mcu.flash_kib,
        jedec_id=jedec,
        chip=chip.name if chip else "",
        set_up=set_up,
        notes=tuple(notes),
    )
    keys = {"internal": board.mcu.name, "qspi": jedec.replace(" ", "").lower() or "unidentified"}
    return Found(device, chip, keys)


def _set_up_texts(chip: Chip, done: SetUp) -> tuple[str, ...]:
    """What selecting the chip has written: it comes before anything else, and is told."""
    texts = {
        SetUp.QUAD_ENABLE: f"quad enable set ({chip.quad_enable.value}, non-volatile)",
        SetUp.ADDRESS_MODE: "address mode",
        SetUp.DUMMIES: f"{chip.read.dummy_cycles} dummy cycles (volatile)",
    }
    return tuple(text for bit, text in texts.items() if bit in done)


def _match(board: Board, identity: ChipIdentity) -> Chip:
    """The alternate whose ID is the longest prefix of what the chip answered."""
    assert board.qspi is not None
    best: tuple[int, Chip] | None = None
    for chip in board.qspi.chips:
        for known in chip.jedec_ids:
            if identity.jedec.startswith(known) and (best is None or len(known) > best[0]):
                best = (len(known), chip)
    if best is not None:
        return best[1]
    answer = identity.jedec.hex(" ").upper()
    raise BoardflashError(
        f"unknown chip: JEDEC ID {answer}; {_known_ids(board)}; if the board may carry it,"
        " add it to [qspi] chips",
        where=f"{board.name}: qspi",
        code=ExitCode.WRONG_DEVICE,
    )


def identify_limit_s(board: Board) -> float:
    """A chip may be busy with a chip erase of an earlier run."""
    assert board.qspi is not None
    longest_ms = max((chip.chip_erase.max_ms for chip in board.qspi.chips), default=0)
    return RESET_LIMIT_S + board.mcu.clock.patience_s(longest_ms)


def _ask_chip(session: LoaderSession, board: Board) -> ChipIdentity:
    try:
        return session.identify_chip(identify_limit_s(board))
    except CommandFailed as error:
        if error.result.status != Status.NO_CHIP:
            raise
        raise BoardflashError(
            "no QSPI chip answers, its JEDEC ID reads all 0 or all 1: check [qspi.pins], the chip's supply,"
            f" and that the chip is fitted; {_known_ids(board)}",
            where=f"{board.name}: qspi",
            code=ExitCode.WRONG_DEVICE,
        ) from error


def _known_ids(board: Board) -> str:
    assert board.qspi is not None
    return "; ".join(
        f"{chip.name} has {' or '.join(known.hex(' ').upper() for known in chip.jedec_ids)}"
        for chip in board.qspi.chips
    )
