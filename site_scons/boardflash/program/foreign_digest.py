"""Digests of the window that a vendor's loader has mapped, by our own code in the target's RAM.

A digest crosses the link instead of the bytes. Our code goes to the vendor's data buffer, with its own data;
it is independent of its place (loader/window.c).
"""

from __future__ import annotations

from boardflash.description.model import Mcu
from boardflash.image.model import DIGEST_BYTES
from boardflash.loader.artefact import LoaderArtefact
from boardflash.program.foreign_caller import Caller, ControllerState

#: RM0385 14.5.1, 14.5.3, 14.5.6.
QUADSPI_CR, QUADSPI_SR, QUADSPI_CCR = 0x00, 0x08, 0x14
CR_ABORT, SR_BUSY = 1 << 1, 1 << 5
CCR_MEMORY_MAPPED = 3 << 26
ALIGNMENT = 128  # of the loader's data in its linker script
BYTES_PER_MS = 100  # a slow serial memory on one line at 1 MHz


def controller_state(mcu: Mcu) -> ControllerState | None:
    """Of the QSPI controller of this MCU, where we know its registers."""
    if mcu.qspi.driver != "stm32_quadspi":
        return None
    base = mcu.qspi.registers
    return ControllerState(
        mapped=(base + QUADSPI_CCR, CCR_MEMORY_MAPPED),
        busy=(base + QUADSPI_SR, SR_BUSY),
        abort=(base + QUADSPI_CR, CR_ABORT),
    )


class WindowDigest:
    """Our digest function beside one loader in RAM."""

    def __init__(self, caller: Caller, artefact: LoaderArtefact, entry: int) -> None:
        self._caller = caller
        self._artefact = artefact
        layout = caller.layout
        first = artefact.stack_top  # its data begins there; its own stack is not used
        start = -(-layout.buffer // ALIGNMENT) * ALIGNMENT
        self._offset = start - first
        self._entry = entry + self._offset
        self._digests = -(-(artefact.load_address + len(artefact.image) + self._offset) // 4) * 4
        self.room = (layout.buffer + layout.buffer_size - self._digests) // DIGEST_BYTES
        self._loaded = False

    def digests(self, address: int, size: int, granule: int, count: int) -> list[bytes]:
        """Of the `count` pieces into which multiples of `granule` cut this stretch; at most `room`."""
        caller = self._caller
        limit_ms = 1000 + size // BYTES_PER_MS
        started = caller.link.now()
        if not self._loaded:
            caller.put(self._artefact.load_address + self._offset, self._artefact.image)
            self._loaded = True
        caller.open_window()
        arguments = (address, size, granule, self._digests)
        caller.run("digest of the window", self._entry, arguments, limit_ms, address)
        data = caller.link.read_memory(self._digests, count * DIGEST_BYTES)
        caller.tally.bytes_digested += size
        caller.tally.digesting_s += caller.link.now() - started
        return [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]


def window_digest(caller: Caller, artefact: LoaderArtefact) -> WindowDigest | None:
    """None where the loader has mapped nothing, or there is no room or no code for it."""
    if artefact.digest is None or not caller.maps_window():
        return None
    found = WindowDigest(caller, artefact, artefact.digest)
    return found if found.room > 0 else None
