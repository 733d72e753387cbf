"""The least that a GDB has to be: packets over a socket, without its timeouts and retries."""

from __future__ import annotations

import socket

from boardflash.sim.serve.rsp import Acknowledged, Damaged, Decoder, Packet, encode

PATIENCE_S = 120.0


class RspClient:
    def __init__(self, port: int, *, acknowledging: bool = False) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._decoder = Decoder()
        self._events: list[object] = []
        if not acknowledging:
            assert self.ask("QStartNoAckMode") == b"OK"

    def __enter__(self) -> RspClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def event(self) -> object:
        """The next packet, acknowledgement or None for the end of the connection."""
        while not self._events:
            data = self._socket.recv(65536)
            if not data:
                return None
            self._events += self._decoder.feed(data)
        return self._events.pop(0)

    def reply(self) -> bytes:
        while True:
            event = self.event()
            assert event is not None and not isinstance(event, Damaged)
            if isinstance(event, Packet):
                return event.payload
            assert isinstance(event, Acknowledged)

    def ask(self, payload: str | bytes) -> bytes:
        self.send(encode(payload.encode() if isinstance(payload, str) else payload))
        return self.reply()

    def monitor(self, text: str) -> str:
        return bytes.fromhex(self.ask(f"qRcmd,{text.encode().hex()}").decode()).decode()
