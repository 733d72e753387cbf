"""What a user may name as input: a file that has its own addresses, or a BIN at one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.files import read_file
from boardflash.image.kinds import TEXT, Kind, kind_meant, kind_named, kind_of
from boardflash.image.model import Contents, Segment
from boardflash.image.vectors import where_raw_bytes_go

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
                raise BoardflashError(
                    'an address must follow the "@", as in data.bin@0x90000000', where=str(text)
                )
            return cls(Path(text))
        try:
            address = int(tail, 0)
        except ValueError:
            raise BoardflashError(
                f'"{tail!s}" is not an address; write it as in data.bin@0x90000000', where=str(text)
            ) from None
        if not name:
            raise BoardflashError('a file name must stand before the "@"', where=str(text))
        if address >= _ADDRESS_SPACE:
            raise BoardflashError(f"{address:#x} is beyond the 32-bit address space", where=str(text))
        return cls(Path(name), address)

    def __str__(self) -> str:
        return str(self.path) if self.address is None else f"{self.path}@{self.address:#010x}"


def load_inputs(specs: Sequence[InputSpec], part: str = "") -> tuple[tuple[InputSpec, Contents], ...]:
    """What each input holds; which of them may overlap is for `split` to judge.

    `part` is the MCU's part number: a UF2 file for another one is refused.
    """
    if not specs:
        raise BoardflashError("no input file; name at least one ELF, HEX, or BIN@address")
    return tuple((spec, load_input(spec, part)) for spec in specs)


def load_input(spec: InputSpec, part: str = "") -> Contents:
    data = read_input(spec.path)
    contents = _at_own_addresses(spec, data, part) if spec.address is None else _at_address(spec, data)
    if not any(segment.size for segment in contents.segments):
        raise BoardflashError("holds no bytes for a memory", where=str(spec.path))
    return contents


def _at_own_addresses(spec: InputSpec, data: bytes, part: str) -> Contents:
    kind = kind_of(data)
    if kind in (None, TEXT):
        kind = kind_meant(spec.path, data) or kind
    name = str(spec.path.name)
    if kind is None:
        if not data:
            return Contents(())
        raise BoardflashError(
            f"none of ELF, Intel HEX, S-record, TI-TXT, UF2; {where_raw_bytes_go(name, data)}",
            where=str(spec.path),
        )
    if kind.load is None:
        raise BoardflashError(f"is {kind.name}; {kind.advice.format(name=name)}", where=str(spec.path))
    return kind.load(spec.path, data, part)


def _at_address(spec: InputSpec, data: bytes) -> Contents:
    """Raw bytes: no file that has addresses of its own, or would have to be converted first."""
    assert spec.address is not None
    kind = kind_of(data)
    if kind is not None and not kind.raw:
        raise BoardflashError(_address_refused(spec.address, kind), where=str(spec))
    named = kind_named(spec.path)
    if named is not None:
        raise BoardflashError(
            f"it is named like {named.name}, which has its own addresses; leave out @{spec.address:#010x},"
            " or rename it",
            where=str(spec),
        )
    if spec.address + len(data) > _ADDRESS_SPACE:
        raise BoardflashError(f"its {len(data)} bytes run beyond the 32-bit address space", where=str(spec))
    return Contents((Segment(spec.address, data, str(spec.path)),))


def _address_refused(address: int, kind: Kind) -> str:
    if kind.load is None:
        return f"is {kind.name}; {kind.advice}"
    return f"it is {kind.name} and has its own addresses; leave out @{address:#010x}, or {kind.advice}"


def read_input(path: Path) -> bytes:
    """The file's bytes, or one line on why not."""
    try:
        size = path.stat().st_size
        if size > MAX_INPUT_BYTES:
            raise BoardflashError(
                f"{size} bytes, and at most {MAX_INPUT_BYTES} are read; is it an objcopy of both memories?",
                where=str(path),
            )
        return read_file(path, MAX_INPUT_BYTES)
    except FileNotFoundError:
        raise BoardflashError("no such file", where=str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise BoardflashError(f"cannot be read: {reason}", where=str(path)) from error
