"""A JTAG chain for OpenOCD, in the characters of its `remote_bitbang` driver.

Implements the protocol of OpenOCD 0.12 (doc/manual/jtag/drivers/remote_bitbang.txt): '0'..'7' set
TCK, TMS and TDI (bits 2, 1, 0), 'R' samples TDO, 'r'..'u' set TRST and SRST, 'B' and 'b' blink, 'Q'
ends the session. Runs of bits with TMS = 0 are taken out of a packet at once: character by character a
150 KB image would take minutes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from boardflash.sim.serve.jtag import JtagChain, State

# Bits with TMS = 0: TCK low with any TDI, perhaps a sample, TCK high with the TDI that counts.
RUN = re.compile(rb"(?:[01]R?[45])+")
NOT_TDI = b"01R"
TDI_DIGITS = bytes.maketrans(b"45", b"01")

# The client's own pauses (`sleep 10` for a PLL, the waits between two polls of a busy flash) are time on
# the board. Shorter gaps are this machine's scheduling and are left out; longer ones are a person's.
SHORTEST_PAUSE_S = 0.0008
LONGEST_PAUSE_S = 1.0


@dataclass
class Traffic:
    characters: int = 0
    packets: int = 0
    samples: int = 0
    pauses_s: float = 0.0


class Pins:
    """Turns characters into clocks and samples; keeps TCK's level from packet to packet."""

    def __init__(self, chain: JtagChain) -> None:
        self.chain = chain
        self.traffic = Traffic()
        self.closed = False
        self._tck = 0
        self._srst = 0

    def take(self, packet: bytes) -> bytes:
        """The answer to `packet`: one '0' or '1' for each sample in it."""
        chain = self.chain
        replies: list[str] = []
        position, end = 0, len(packet)
        while position < end:
            if chain.steady():
                run = RUN.match(packet, position)
                if run is not None:
                    replies.append(self._take_run(run.group()))
                    position = run.end()
                    self._tck = 1
                    continue
            self._take_one(packet[position], replies)
            position += 1
        answer = "".join(replies)
        self.traffic.characters += end
        self.traffic.packets += 1
        self.traffic.samples += len(answer)
        return answer.encode()

    def pass_pause(self, seconds: float) -> None:
        """The client let so much time go by before it sent its next packet."""
        if seconds >= SHORTEST_PAUSE_S:
            pause = min(seconds, LONGEST_PAUSE_S)
            self.traffic.pauses_s += pause
            self.chain.port.wait(pause)

    def _take_run(self, run: bytes) -> str:
        digits = run.translate(TDI_DIGITS, NOT_TDI)
        count = len(digits)
        samples = run.count(b"R")
        if samples in (0, count):
            seen = self.chain.shift(int(digits[::-1], 2), count)
            return f"{seen:0{count}b}"[::-1] if samples else ""
        replies: list[str] = []
        for character in run:
            self._take_one(character, replies)
        return "".join(replies)

    def _take_one(self, character: int, replies: list[str]) -> None:
        if 0x30 <= character <= 0x37:
            tck = character >> 2 & 1
            if tck and not self._tck:
                self.chain.clock(character >> 1 & 1, character & 1)
            self._tck = tck
        elif character == 0x52:  # R
            replies.append(str(self.chain.tdo))
        elif 0x72 <= character <= 0x75:  # r s t u
            self._resets(character - 0x72)
        elif character == 0x51:  # Q
            self.closed = True

    def _resets(self, lines: int) -> None:
        trst, srst = lines >> 1, lines & 1
        if trst:
            while self.chain.state != State.RESET:
                self.chain.clock(1, 0)
        if srst != self._srst:
            self._srst = srst
            self.chain.port.reset_pin(bool(srst))


class BitbangClient:
    """One connection of OpenOCD. The debug port behind `pins` outlives it, as on a board."""

    running = False
    """The wire alone moves the board's time."""

    def __init__(self, pins: Pins, disturbs: Callable[[], None] = lambda: None) -> None:
        """`disturbs` tells another client of the same board that somebody else moves it."""
        self.pins = pins
        self._disturbs = disturbs
        pins.closed = False

    @property
    def closed(self) -> bool:
        return self.pins.closed

    def receive(self, data: bytes, waited: float) -> bytes:
        """The answer to a packet that came `waited` seconds after the last answer."""
        self.pins.pass_pause(waited)
        self._disturbs()
        return self.pins.take(data)

    def poll(self) -> bytes:
        return b""

    def leave(self) -> None:
        self.pins.chain.port.settle()
