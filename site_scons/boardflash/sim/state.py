"""What a simulated board keeps without power: both flashes and the chip's non-volatile registers.

On disk by serial number, `<folder>/sim/<serial>/`: `internal.bin`, `qspi.bin`, `board.json`. Files are
replaced as a whole and only when their content has changed.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from boardflash.errors import BoardflashError, ExitCode
from boardflash.files import MIB, read_file, write_private
from boardflash.state import private_folder

_SCHEMA = 1
MEMORY_MOST = 256 * MIB


class BoardState:
    """The non-volatile content of one board. `folder` None: it lives in memory only."""

    def __init__(self, serial: str, folder: Path | None = None) -> None:
        self.serial = serial
        self.folder = folder
        self.internal = bytearray()
        self.otp = bytearray()
        self.qspi = bytearray()
        self.option_bytes: dict[str, int] = {}
        self.chip_registers: dict[str, Any] = {}
        self.twin = ""
        self.chip = ""
        self._on_disk: dict[str, bytes] = {}

    @classmethod
    def in_memory(cls, serial: str = "1") -> BoardState:
        return cls(serial)

    @classmethod
    def load(cls, state_dir: Path, serial: str) -> BoardState:
        """The state of that serial number; a new board if there is none yet."""
        if not serial or not all(c.isalnum() or c in "-_" for c in serial):
            raise BoardflashError(
                "a serial number is made of letters, digits, - and _", where=f"PROBE=sim:{serial}"
            )
        state = cls(serial, state_dir / "sim" / serial)
        assert state.folder is not None
        record = state.folder / "board.json"
        if not record.is_file():
            return state
        try:
            data = json.loads(read_file(record))
            if data["schema"] != _SCHEMA:
                raise ValueError("its schema is not known")
            state.twin, state.chip = _texts(data["twin"], data["chip"])
            state.option_bytes = {str(k): _word(v) for k, v in dict(data["option_bytes"]).items()}
            state.chip_registers = {str(k): _word(v) for k, v in dict(data["chip_registers"]).items()}
            state.otp = bytearray(bytes.fromhex(data["otp"]))
            state.internal = bytearray(read_file(state.folder / "internal.bin", MEMORY_MOST))
            state.qspi = bytearray(read_file(state.folder / "qspi.bin", MEMORY_MOST))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, BoardflashError) as error:
            told = " ".join(str(error).split())[:80]
            raise BoardflashError(
                f"not a simulated board's state ({told}); delete the folder to start with a new board",
                where=str(state.folder),
                code=ExitCode.BAD_INPUT,
            ) from error
        state._on_disk = {name: state._digest(blob) for name, blob in state._files().items()}
        return state

    def fit(self, twin: str, chip: str, flash_size: int, start: str) -> None:
        """Make a new board's content, or check that this is the board it was."""
        if not self.twin:
            self.twin, self.chip = twin, chip
            self.internal = fresh(flash_size, start, f"{self.serial}/internal")
            self.otp = bytearray(b"\xff" * 1056)
        elif (self.twin, self.chip) != (twin, chip) or len(self.internal) != flash_size:
            raise BoardflashError(
                f"this serial number is a {self.twin} with {self.chip}, not a {twin} with {chip}; "
                "take another serial number or delete the folder",
                where=str(self.folder or self.serial),
            )

    def save(self) -> None:
        """Write what has changed since the last load or save."""
        if self.folder is None:
            return
        private_folder(self.folder)
        for name, blob in self._files().items():
            digest = self._digest(blob)
            if self._on_disk.get(name) == digest:
                continue
            try:
                write_private(self.folder / name, blob)
            except OSError as error:
                told = f"the simulated board's flash can't be kept: {error.strerror}"
                raise BoardflashError(told, where=str(self.folder / name)) from error
            self._on_disk[name] = digest

    def _files(self) -> dict[str, bytes | bytearray]:
        record = {
            "schema": _SCHEMA,
            "twin": self.twin,
            "chip": self.chip,
            "option_bytes": self.option_bytes,
            "chip_registers": self.chip_registers,
            "otp": self.otp.hex(),
        }
        text = json.dumps(record, indent=2, sort_keys=True) + "\n"
        return {"internal.bin": self.internal, "qspi.bin": self.qspi, "board.json": text.encode()}

    @staticmethod
    def _digest(blob: bytes | bytearray) -> bytes:
        return hashlib.blake2b(blob, digest_size=16).digest()


def _texts(*values: object) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("twin and chip are names")
    return [str(value) for value in values]


def _word(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFF_FFFF:
        raise ValueError("no register holds that")
    return value


def fresh(size: int, start: str, seed: str) -> bytearray:
    """What a memory of a new board holds."""
    if start == "noise":
        return bytearray(random.Random(seed).randbytes(size))
    return bytearray(b"\xff" * size)
