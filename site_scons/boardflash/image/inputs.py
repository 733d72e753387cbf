"""What a user may name as input: an ELF, an Intel HEX file, or a BIN at an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.image.elf import ELF_MAGIC, load_elf
from boardflash.image.hexfile import load_hex
from boardflash.image.model import Contents, Segment

_ELF_SUFFIXES = {".elf", ".axf", ".out"}
_HEX_SUFFIXES = {".hex", ".ihex", ".ihx"}
_ADDRESS_SPACE = 1 << 32
# The largest window of these MCUs is 256 MiB; as HEX or with debug information that is below 1 GiB.
MAX_INPUT_BYTES = 1 << 30


@dataclass(frozen=True)
class InputSpec:
    """One input file; `address` is given for a BIN alone."""

    path: Path
    address: int | None = None

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """`app.elf`, `app.hex`, `data.bin@0x90000000`."""
        name, at, tail = text.rpartition("@")
        # A file name may hold an "@" of its own; an address starts with a digit.
        if not at or not tail[:1].isdigit():
            if at and not tail:
                raise BoardflashError('an address must follow the "@", as in data.bin@0x90000000', where=text)
            return cls(Path(text))
        try:
            address = int(tail, 0)
        except ValueError:
            raise BoardflashError(
                f'"{tail}" is not an address; write it as in data.bin@0x90000000', where=text
            ) from None
        if not name:
            raise BoardflashError('a file name must stand before the "@"', where=text)
        if address >= _ADDRESS_SPACE:
            raise BoardflashError(f"{address:#x} is beyond the 32-bit address space", where=text)
        return cls(Path(name), address)

    def __str__(self) -> str:
        return str(self.path) if self.address is None else f"{self.path}@{self.address:#010x}"


def load_inputs(specs: Sequence[InputSpec]) -> tuple[tuple[InputSpec, Contents], ...]:
    """What each input holds; which of them may overlap is for `split` to judge."""
    if not specs:
        raise BoardflashError("no input file; name at least one ELF, HEX, or BIN@address")
    return tuple((spec, load_input(spec)) for spec in specs)


def load_input(spec: InputSpec) -> Contents:
    data = read_input(spec.path)
    suffix = spec.path.suffix.lower()
    if spec.address is not None:
        if suffix in _ELF_SUFFIXES | _HEX_SUFFIXES:
            raise BoardflashError(
                f"an ELF or HEX file has its own addresses; leave out @{spec.address:#010x}", where=str(spec)
            )
        if spec.address + len(data) > _ADDRESS_SPACE:
            raise BoardflashError(
                f"its {len(data)} bytes run beyond the 32-bit address space", where=str(spec)
            )
        contents = Contents((Segment(spec.address, data, str(spec.path)),))
    elif suffix in _ELF_SUFFIXES or data.startswith(ELF_MAGIC):
        contents = load_elf(spec.path, data)
    elif suffix in _HEX_SUFFIXES or data[:64].lstrip().startswith(b":"):
        contents = Contents(load_hex(spec.path, data))
    else:
        raise BoardflashError(
            f"neither ELF nor Intel HEX; for raw bytes say where they go: {spec.path.name}@0x90000000",
            where=str(spec.path),
        )
    if not any(segment.size for segment in contents.segments):
        raise BoardflashError("holds no bytes for a memory", where=str(spec.path))
    return contents


def read_input(path: Path) -> bytes:
    """The file's bytes, or one line on why not."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "no such file"
            raise BoardflashError(what, where=str(path))
        size = path.stat().st_size
        if size > MAX_INPUT_BYTES:
            raise BoardflashError(
                f"{size} bytes, and at most {MAX_INPUT_BYTES} are read; is it an objcopy of both memories?",
                where=str(path),
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise BoardflashError(f"cannot be read: {reason}", where=str(path)) from error
