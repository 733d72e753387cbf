"""One connection of GDB: packets in, replies out (GDB manual, appendix E "Remote Protocol").

All-stop, one thread. A packet that makes no sense gets an error, an unknown one the empty reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from boardflash.errors import BoardflashError
from boardflash.sim.serve import boardmap, monitor
from boardflash.sim.serve.debuggee import Debuggee
from boardflash.sim.serve.rsp import (
    PACKET_SIZE,
    Acknowledged,
    Damaged,
    Decoder,
    Interrupt,
    Packet,
    encode,
    number,
)
from boardflash.sim.target import BusFault

OK, UNSUPPORTED = b"OK", b""
BAD_REQUEST, BAD_ADDRESS, NOT_HALTED, NO_ROOM = b"E01", b"E0e", b"E10", b"E1c"  # EPERM, EFAULT, EBUSY, ENOSPC
SIGINT, SIGTRAP, SIGSEGV = 2, 5, 11
MOST_READ = (PACKET_SIZE - 16) // 2
FEATURES = (
    f"PacketSize={PACKET_SIZE:x};QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;"
    "qXfer:features:read+;qXfer:memory-map:read+"
)
_FIXED: dict[str, bytes] = {
    "!": OK,
    "qAttached": b"1",
    "qC": b"QC1",
    "qfThreadInfo": b"m1",
    "qsThreadInfo": b"l",
    "qSymbol": OK,
    "vCont?": b"vCont;c;C;s;S",
}


_HTTP = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT) ")


class GdbClient:
    def __init__(self, debuggee: Debuggee, tell: Callable[[str], None] = lambda line: None) -> None:
        self.debuggee = debuggee
        self.closed = False
        self._spoken = False  # the client has said something
        self._tell = tell
        self._decoder = Decoder()
        self._acknowledging = True
        self._last = b""
        self._waiting = False
        self._documents = {"features": boardmap.target_xml(), "memory-map": debuggee.map.xml()}
        debuggee.attach()

    # -- the connection -----------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """The core runs: time has to pass."""
        return not self.debuggee.halted

    def receive(self, data: bytes, _waited: float) -> bytes:
        """What to send for what has arrived."""
        out = bytearray()
        if not self._spoken and _HTTP.match(data):
            # A page in somebody's browser reaches loopback, too, and could hide packets in what it sends.
            self._tell("gdb: this client speaks HTTP, and is sent away")
            self.closed = True
            return b""
        self._spoken = True
        for event in self._decoder.feed(data):
            if isinstance(event, Packet):
                out += self._packet(event.payload)
            elif isinstance(event, Interrupt):
                out += self._interrupt()
            elif isinstance(event, Damaged):
                out += b"-" if self._acknowledging else b""
            elif isinstance(event, Acknowledged) and not event.good and self._acknowledging:
                out += self._last
            if self.closed:
                break
        return bytes(out)

    def poll(self) -> bytes:
        """The stop reply, if the core has stopped and gdb waits for that."""
        if self.debuggee.locked_up:
            self.debuggee.halt()
            self._tell(
                f"gdb: the core was locked up by a fault in a fault handler, pc {self.debuggee.pc:#010x}"
            )
            return self._stopped(SIGSEGV)
        return self._stopped(SIGTRAP) if self.debuggee.halted else b""

    def leave(self) -> None:
        """The connection is gone, with or without a farewell."""
        self.debuggee.let_go()

    def _stopped(self, signal: int) -> bytes:
        if not self._waiting:
            return b""
        self._waiting = False
        return self._send(self._stop_reply(signal))

    def _interrupt(self) -> bytes:
        if not self._waiting:
            return b""
        self.debuggee.halt()
        return self._stopped(SIGINT)

    def _packet(self, payload: bytes) -> bytes:
        acknowledge = b"+" if self._acknowledging else b""
        try:
            reply = self._answer(payload)
        except BusFault:
            reply = BAD_ADDRESS
        except ValueError:
            reply = BAD_REQUEST
        except BoardflashError as error:
            self._tell(f"gdb: {error}")
            reply = b"E." + str(error).encode()
        return acknowledge + (self._send(reply) if reply is not None else b"")

    def _send(self, reply: bytes) -> bytes:
        self._last = encode(reply)
        return self._last

    # -- packets; None: no reply now ------------------------------------------------------------------

    def _answer(self, payload: bytes) -> bytes | None:
        if payload[:1] in (b"q", b"Q", b"v"):
            return self._named(payload)
        text = payload.decode("latin-1")
        if text in _FIXED:
            return _FIXED[text]
        handler = _HANDLERS.get(text[:1])
        if handler is None:
            return UNSUPPORTED
        return handler(self, payload[1:])

    def _named(self, payload: bytes) -> bytes | None:
        text = payload.decode("latin-1")
        if text in _FIXED:
            return _FIXED[text]
        end = next((i for i, character in enumerate(text) if character in ":;,"), len(text))
        name, rest = text[:end], payload[end + 1 :]
        if name in _FIXED and name.startswith("qSymbol"):
            return OK
        handler = _NAMED.get(name)
        return UNSUPPORTED if handler is None else handler(self, rest)

    def _stop_reason(self, _rest: bytes) -> bytes:
        if not self.debuggee.halted:
            self.debuggee.halt()
        return self._stop_reply(SIGTRAP)

    def _stop_reply(self, signal: int) -> bytes:
        kind = self.debuggee.breakpoints.kind_at(self.debuggee.pc) if signal == SIGTRAP else None
        return f"T{signal:02x}thread:1;{f'{kind}:;' if kind else ''}".encode()

    def _set_thread(self, _rest: bytes) -> bytes:
        return OK

    def _kill(self, _rest: bytes) -> None:
        self.debuggee.let_go()
        self.closed = True

    def _detach(self, _rest: bytes) -> bytes:
        self.debuggee.detach()
        self.closed = True
        return OK

    def _restart(self, _rest: bytes) -> None:
        self.debuggee.reset(halt=True)

    # Registers

    def _read_registers(self, _rest: bytes) -> bytes:
        if not self.debuggee.halted:
            return NOT_HALTED
        values = (self.debuggee.read_register(register.number) for register in boardmap.REGISTERS)
        return b"".join(value.to_bytes(4, "little") for value in values).hex().encode()

    def _write_registers(self, rest: bytes) -> bytes:
        if not self.debuggee.halted:
            return NOT_HALTED
        values = _from_hex(rest)
        if len(values) % 4 or len(values) > 4 * len(boardmap.REGISTERS):
            return BAD_REQUEST
        for n in range(len(values) // 4):
            self._write_numbered(n, values[4 * n :][:4])
        return OK

    def _read_register(self, rest: bytes) -> bytes:
        index = number(rest.decode("latin-1"))
        if index >= len(boardmap.REGISTERS):
            return BAD_REQUEST
        if not self.debuggee.halted:
            return NOT_HALTED
        value = self.debuggee.read_register(boardmap.REGISTERS[index].number)
        return value.to_bytes(4, "little").hex().encode()

    def _write_register(self, rest: bytes) -> bytes:
        head, _, value = rest.partition(b"=")
        index = number(head.decode("latin-1"))
        content = _from_hex(value)
        if index >= len(boardmap.REGISTERS) or len(content) != 4:
            return BAD_REQUEST
        if not self.debuggee.halted:
            return NOT_HALTED
        self._write_numbered(index, content)
        return OK

    def _write_numbered(self, index: int, content: bytes) -> None:
        number_of_core = boardmap.REGISTERS[index].number
        self.debuggee.write_register(number_of_core, int.from_bytes(content, "little"))

    # Memory

    def _read_memory(self, rest: bytes) -> bytes:
        address, size = _range(rest)
        return self.debuggee.read_memory(address, min(size, MOST_READ)).hex().encode()

    def _write_memory(self, rest: bytes) -> bytes:
        head, _, content = rest.partition(b":")
        return self._write(head, _from_hex(content))

    def _write_binary(self, rest: bytes) -> bytes:
        head, _, content = rest.partition(b":")
        return self._write(head, content)

    def _write(self, head: bytes, data: bytes) -> bytes:
        address, size = _range(head)
        if size != len(data):
            return BAD_REQUEST
        if data:
            self.debuggee.write_memory(address, data)
        return OK

    # Run control

    def _continue(self, rest: bytes) -> bytes | None:
        return self._go("c", rest)

    def _step(self, rest: bytes) -> bytes | None:
        return self._go("s", rest)

    def _continue_with_signal(self, rest: bytes) -> bytes | None:
        return self._go("c", rest.partition(b";")[2])

    def _step_with_signal(self, rest: bytes) -> bytes | None:
        return self._go("s", rest.partition(b";")[2])

    def _resume_threads(self, rest: bytes) -> bytes | None:
        """vCont: there is one thread, so its first action counts."""
        action = rest.partition(b";")[0].partition(b":")[0][:1].lower().decode("latin-1")
        if action not in ("c", "s"):
            return BAD_REQUEST
        return self._go(action, b"")

    def _go(self, action: str, address: bytes) -> bytes | None:
        start = number(address.decode("latin-1")) if address else None
        if start is not None:
            if not self.debuggee.halted:
                return NOT_HALTED
            self.debuggee.write_register(15, start)
        if action == "s":
            if not self.debuggee.halted:
                self.debuggee.halt()
            self.debuggee.step()
            return self._stop_reply(SIGTRAP)
        self._waiting = True
        self.debuggee.resume()
        return None

    # Breakpoints: 0 software, 1 hardware; the simulated DWT has no comparators for 2, 3 and 4

    def _set_breakpoint(self, rest: bytes) -> bytes:
        kind, address = _breakpoint(rest)
        if kind not in (0, 1):
            return UNSUPPORTED
        return OK if self.debuggee.breakpoints.set(address, hardware=kind == 1) else NO_ROOM

    def _clear_breakpoint(self, rest: bytes) -> bytes:
        kind, address = _breakpoint(rest)
        if kind not in (0, 1):
            return UNSUPPORTED
        self.debuggee.breakpoints.clear(address)
        return OK

    # Named packets

    def _supported(self, _rest: bytes) -> bytes:
        return FEATURES.encode()

    def _no_acknowledgements(self, _rest: bytes) -> bytes:
        self._acknowledging = False
        return OK

    def _transfer(self, rest: bytes) -> bytes:
        """qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH"""
        kind, operation, annex, window = rest.decode("latin-1").split(":", 3)
        document = self._documents.get(kind)
        if document is None or operation != "read":
            return UNSUPPORTED
        if annex != {"features": "target.xml", "memory-map": ""}[kind]:
            return b"E00"
        offset, size = _range(window.encode("latin-1"))
        part = document.encode()[offset : offset + min(size, MOST_READ)]
        return (b"m" if offset + len(part) < len(document) else b"l") + part

    def _monitor(self, rest: bytes) -> bytes:
        text = _from_hex(rest).decode("utf-8", errors="replace")
        return monitor.command(self.debuggee, text).encode().hex().encode() or OK

    def _kill_process(self, _rest: bytes) -> bytes:
        self.debuggee.halt()
        return OK

    def _run(self, _rest: bytes) -> bytes:
        self.debuggee.reset(halt=True)
        return self._stop_reply(SIGTRAP)

    def _flash_erase(self, rest: bytes) -> bytes:
        self.debuggee.flash_erase(*_range(rest))
        return OK

    def _flash_write(self, rest: bytes) -> bytes:
        head, _, content = rest.partition(b":")
        self.debuggee.flash_write(number(head.decode("latin-1")), content)
        return OK

    def _flash_done(self, _rest: bytes) -> bytes:
        self.debuggee.flash_done()
        return OK


Handler = Callable[[GdbClient, bytes], bytes | None]
_HANDLERS: dict[str, Handler] = {
    "?": GdbClient._stop_reason,
    "c": GdbClient._continue,
    "C": GdbClient._continue_with_signal,
    "D": GdbClient._detach,
    "g": GdbClient._read_registers,
    "G": GdbClient._write_registers,
    "H": GdbClient._set_thread,
    "k": GdbClient._kill,
    "m": GdbClient._read_memory,
    "M": GdbClient._write_memory,
    "p": GdbClient._read_register,
    "P": GdbClient._write_register,
    "R": GdbClient._restart,
    "s": GdbClient._step,
    "S": GdbClient._step_with_signal,
    "T": GdbClient._set_thread,
    "X": GdbClient._write_binary,
    "z": GdbClient._clear_breakpoint,
    "Z": GdbClient._set_breakpoint,
}
_NAMED: dict[str, Handler] = {
    "qSupported": GdbClient._supported,
    "QStartNoAckMode": GdbClient._no_acknowledgements,
    "qXfer": GdbClient._transfer,
    "qRcmd": GdbClient._monitor,
    "vCont": GdbClient._resume_threads,
    "vKill": GdbClient._kill_process,
    "vRun": GdbClient._run,
    "vFlashErase": GdbClient._flash_erase,
    "vFlashWrite": GdbClient._flash_write,
    "vFlashDone": GdbClient._flash_done,
}


def _from_hex(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("latin-1"))


def _range(text: bytes) -> tuple[int, int]:
    """ADDRESS,LENGTH; a range that goes past the last address is none."""
    address, comma, size = text.decode("latin-1").partition(",")
    if not comma or number(address) + number(size) > boardmap.ADDRESSES_END:
        raise ValueError(f"{text!r} is no range")
    return number(address), number(size)


def _breakpoint(rest: bytes) -> tuple[int, int]:
    """TYPE,ADDRESS,KIND; conditions and commands are not asked for by a server that does not offer them."""
    kind, address, _ = rest.decode("latin-1").split(",", 2)
    return number(kind), number(address)
