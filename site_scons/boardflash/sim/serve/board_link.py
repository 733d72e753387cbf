"""What a programmer needs of a link, over a debug server's wire: memory, registers, halt, go and reset."""

from __future__ import annotations

from boardflash.errors import BoardflashError, ExitCode
from boardflash.sim.serve.wire import Wire
from boardflash.sim.target import BusFault


class BoardLink:
    """A memory link over a debug server's wire: what the programmer needs of a `Link`."""

    simulated = True

    def __init__(self, wire: Wire, serial: str, supply_mv: int) -> None:
        self._wire = wire
        self._target = wire.target
        self._supply_mv = supply_mv
        self.serial = serial

    def supply_mv(self) -> int:
        return self._supply_mv

    def read_memory(self, address: int, size: int) -> bytes:
        try:
            return self._wire.read(address, size)
        except BusFault as fault:
            raise self._failed(fault) from fault

    def write_memory(self, address: int, data: bytes) -> None:
        try:
            self._wire.write(address, data)
        except BusFault as fault:
            raise self._failed(fault) from fault

    def halt(self) -> None:
        self._wire.spend()
        self._target.halt()

    def go(self) -> None:
        self._wire.spend()
        self._target.resume()

    def reset_and_halt(self) -> None:
        self._wire.spend()
        self._target.reset(halt=True)

    def reset_and_run(self) -> None:
        """The debugger says when the core runs."""
        self.reset_and_halt()

    def is_halted(self) -> bool:
        self._wire.spend()
        return self._target.halted()

    def read_register(self, number: int) -> int:
        self._wire.spend()
        return self._target.read_register(number)

    def write_register(self, number: int, value: int) -> None:
        self._wire.spend()
        self._target.write_register(number, value)

    def now(self) -> float:
        return self._target.clock.seconds

    def pause(self, seconds: float) -> None:
        self._target.advance(int(seconds * 1e12))

    def _failed(self, fault: BusFault) -> BoardflashError:
        return BoardflashError(str(fault), where=f"board {self.serial}", code=ExitCode.DEVICE_FAILED)
