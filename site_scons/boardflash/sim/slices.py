"""What the engine tells the core about the end of a slice, and what it asks of the board."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Stop(Enum):
    """Why a slice ended."""

    BUDGET = auto()
    WFE = auto()
    WFI = auto()
    BKPT = auto()
    BREAKPOINT = auto()
    SVC = auto()
    EXCEPTION_RETURN = auto()
    BUS_FAULT = auto()
    MPU_FAULT = auto()
    FETCH_FAULT = auto()
    UNDEFINED = auto()
    NO_COPROCESSOR = auto()
    INVALID_STATE = auto()
    UNALIGNED = auto()


@dataclass
class StopInfo:
    kind: Stop
    pc: int
    address: int = 0
    write: bool = False
    reason: str = ""


class MpuFault(Exception):  # noqa: N818 - the architecture calls it a fault
    """An access of the core that the MPU forbids."""

    def __init__(self, address: int) -> None:
        super().__init__(f"{address:#010x}")
        self.address = address


class CoreBus:
    """What the engine asks of the board for an access that is not plain RAM or flash."""

    def core_read(self, address: int, width: int) -> tuple[int, bool]:
        """The value, and whether the read was pure. Raises BusFault or MpuFault."""
        raise NotImplementedError

    def core_write(self, address: int, value: int, width: int) -> bool:
        """Returns whether the write is harmless in a wait. Raises BusFault or MpuFault."""
        raise NotImplementedError

    def unbarriered_store(self, pc: int) -> None:
        """The core stored to flash at `pc`, and no DSB stands behind the store."""
        raise NotImplementedError

    def flash_blocked(self, address: int) -> None:
        """The core touched flash that is busy or unreadable: wait for it. Raises BusFault or MpuFault."""
        raise NotImplementedError
