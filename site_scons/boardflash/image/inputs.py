"""What a user may name as input: an ELF, an Intel HEX file, or a BIN at an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.image.model import Segment


@dataclass(frozen=True)
class InputSpec:
    """One input file; `address` is given for a BIN alone."""

    path: Path
    address: int | None = None

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """`app.elf`, `app.hex`, `data.bin@0x90000000`."""
        raise NotImplementedError


def load_inputs(specs: Sequence[InputSpec]) -> tuple[Segment, ...]:
    """All bytes of all inputs, in address order; inputs that contradict each other are refused."""
    raise NotImplementedError
