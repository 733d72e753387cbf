"""Serves the product's remote_bitbang pins on a thread of their own, for one run of OpenOCD on a `Target`."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from boardflash.sim.serve.remote_bitbang import Pins


class RemoteBitbangServer:
    """Listens on a free loopback port and serves one client after the other on its own thread."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.failure: BaseException | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> RemoteBitbangServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the thread, so that the board is the caller's alone afterwards."""
        with contextlib.suppress(OSError):  # not every system lets a listener be shut down
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed by __exit__
            with connection:
                try:
                    self._session(connection)
                except ConnectionError:
                    continue
                except BaseException as failure:
                    self.failure = failure
                    return

    def _session(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pins.closed = False
        while not self.pins.closed:
            asked = time.monotonic()
            packet = connection.recv(65536)
            if not packet:
                return
            self.pins.pass_pause(time.monotonic() - asked)
            answer = self.pins.take(packet)
            if answer:
                connection.sendall(answer)
