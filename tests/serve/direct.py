"""A GDB without a socket, on a simulated board whose programmer only notes what it is asked."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from boardflash.errors import BoardflashError
from boardflash.sim.board import SimulatedBoard
from boardflash.sim.serve.boardmap import BoardMap, FlashArea
from boardflash.sim.serve.debuggee import Debuggee
from boardflash.sim.serve.gdb import GdbClient
from boardflash.sim.serve.rsp import Decoder, Packet, encode
from boardflash.sim.state import BoardState
from boardflash.sim.twin import load_twin

RAM, CODE = 0x2000_0000, 0x2000_0100
COUNT = struct.pack(
    "<4H", 0x2000, 0x3001, 0x3101, 0xE7FC
)  # movs r0, #0; loop: adds r0, #1; adds r1, #1; b loop
LOOP = CODE + 2
FLASH_CODE = 0x0800_0200
BKPT_INSTRUCTION = 0xBE00
MAP = BoardMap(
    ram=((RAM, 0x50000), (0, 0x4000)),
    flash=(
        FlashArea(0x0800_0000, ((0x8000, 4), (0x20000, 1), (0x40000, 3))),
        FlashArea(0x9000_0000, ((0x1000, 4096),), behind_controller=True),
    ),
)


class Programmer:
    """Notes what it is asked, and uses the board's RAM as a loader does."""

    def __init__(self, board: SimulatedBoard) -> None:
        self.board = board
        self.asked: list[tuple[Sequence[tuple[int, int]], Mapping[int, bytes]]] = []
        self.reads: list[tuple[int, int]] = []
        self.failure: BoardflashError | None = None

    def program(self, erases: Sequence[tuple[int, int]], writes: Mapping[int, bytes]) -> None:
        self._run()
        self.asked.append((erases, writes))

    def read(self, address: int, size: int) -> bytes:
        self._run()
        self.reads.append((address, size))
        return bytes((address + n >> 4) & 0xFF for n in range(size))

    def _run(self) -> None:
        self.board.write_memory(RAM, b"loader!!" * 512, 4)
        self.board.write_register(0, 0xDEAD)
        if self.failure is not None:
            raise self.failure


class Gdb:
    """A client without a socket."""

    def __init__(self) -> None:
        self.board = SimulatedBoard(load_twin("stm32f746g-disco"), BoardState.in_memory())
        self.board.flash.array[0x200 : 0x200 + len(COUNT)] = COUNT
        self.programmer = Programmer(self.board)
        self.said: list[str] = []
        self.debuggee = Debuggee(self.board, MAP, self.programmer)
        self.client = GdbClient(self.debuggee, self.said.append)
        assert self.ask("QStartNoAckMode") == "OK"

    def send(self, payload: str | bytes) -> list[bytes]:
        raw = encode(payload.encode() if isinstance(payload, str) else payload)
        return self.replies(self.client.receive(raw, 0.0))

    @staticmethod
    def replies(raw: bytes) -> list[bytes]:
        return [event.payload for event in Decoder().feed(raw) if isinstance(event, Packet)]

    def ask(self, payload: str | bytes) -> str:
        (reply,) = self.send(payload)
        return reply.decode("latin-1")

    def monitor(self, text: str) -> str:
        return bytes.fromhex(self.ask(f"qRcmd,{text.encode().hex()}")).decode()

    def run(self, most: int = 1000) -> str:
        """Slices until the stop reply."""
        for _ in range(most):
            self.board.advance(1_000_000)
            found = self.replies(self.client.poll())
            if found:
                return found[0].decode()
        raise AssertionError("it does not stop")

    def register(self, index: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{index:x}")), "little")

    def start_at(self, address: int) -> None:
        assert self.ask(f"Pf={address.to_bytes(4, 'little').hex()}") == "OK"
