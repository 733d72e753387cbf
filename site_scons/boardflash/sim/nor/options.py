"""What a twin may say about its chip: the state it is found in, and its faults."""

from __future__ import annotations

from dataclasses import dataclass, fields

from boardflash.errors import BoardflashError


@dataclass(frozen=True)
class StuckBit:
    """A cell that neither erase nor program can change."""

    address: int
    bit: int
    value: int


@dataclass(frozen=True)
class ChipOptions:
    """All default to a chip fresh from the factory. The start state ends with the first power cycle."""

    qpi: bool = False  # left in QPI by earlier firmware
    continuous_read: bool = False  # left in continuous read (Micron: XIP) of EBh
    four_byte: bool = False  # left in 4-byte addressing
    deep_power_down: bool = False
    busy_ms: int = 0  # a chip erase begun earlier still runs for so long
    quad_enable: bool | None = None  # None = as delivered
    registers: tuple[tuple[str, int], ...] = ()  # non-volatile values, by the chip's names: ("sr1", 0x1C)
    stuck: tuple[StuckBit, ...] = ()
    erase_fails: tuple[int, ...] = ()  # addresses whose erase unit ends with an error and keeps its content
    erase_time_factor: float = 1.0  # of the typical time
    jedec_id: bytes | None = None  # answers 9Fh with these instead
    unique_id: bytes | None = None

    @classmethod
    def from_table(cls, table: dict[str, object], where: str) -> ChipOptions:
        """From TOML: `stuck = [{ address, bit, value }]`, `registers = { sr1 = 0x1C }`, IDs as "EF 40 18"."""
        known = {f.name for f in fields(cls)}
        for key in table:
            if key not in known:
                raise BoardflashError(
                    f"unknown key; known are {', '.join(sorted(known))}", where=f"{where} {key}"
                )
        values = dict(table)
        try:
            if "stuck" in values:
                values["stuck"] = tuple(StuckBit(**bit) for bit in values["stuck"])  # type: ignore[attr-defined]
            if "registers" in values:
                values["registers"] = tuple(sorted(values["registers"].items()))  # type: ignore[attr-defined]
            if "erase_fails" in values:
                values["erase_fails"] = tuple(values["erase_fails"])  # type: ignore[arg-type]
            for key in ("jedec_id", "unique_id"):
                if key in values:
                    values[key] = bytes.fromhex(str(values[key]))
            return cls(**values)  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError) as error:
            raise BoardflashError(f"not as a chip's options should be: {error}", where=where) from None
