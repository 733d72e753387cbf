"""Listens on loopback and serves one client of each kind at a time, all on one board and one thread.

While a debugger lets the core run, the board's time passes in slices between two looks at the sockets.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from boardflash.errors import BoardflashError, ExitCode
from boardflash.sim.target import Target

LOOPBACK = "127.0.0.1"
RECEIVE_SIZE = 65536
SEND_LIMIT_S = 5.0
"""A client that takes nothing for so long is dropped."""

# A slice of the board's time: grown and shrunk so that it takes this machine a few milliseconds.
SHORTEST_SLICE_PS, LONGEST_SLICE_PS = 10_000_000, 20_000_000_000
QUICK_S, SLOW_S = 0.004, 0.016


class Client(Protocol):
    """One connection; knows its protocol, but nothing of sockets."""

    @property
    def closed(self) -> bool:
        """The client has said farewell, or was sent away."""

    @property
    def running(self) -> bool:
        """The board's time has to pass for it."""

    def receive(self, data: bytes, waited: float, /) -> bytes:
        """What to send for what arrived `waited` seconds after the last answer."""

    def poll(self) -> bytes:
        """What to send after time has passed."""

    def leave(self) -> None:
        """The connection is gone."""


@dataclass
class _Service:
    name: str
    listener: socket.socket
    connect: Callable[[], Client]
    connection: socket.socket | None = None
    client: Client | None = None
    answered: float = 0.0


class Pace:
    """Lets the board's time pass, a few milliseconds of this machine's at once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._slice_ps = SHORTEST_SLICE_PS

    def pass_time(self) -> None:
        began = time.perf_counter()
        self._target.advance(self._slice_ps)
        took = time.perf_counter() - began
        if took < QUICK_S:
            self._slice_ps = min(2 * self._slice_ps, LONGEST_SLICE_PS)
        elif took > SLOW_S:
            self._slice_ps = max(self._slice_ps // 2, SHORTEST_SLICE_PS)


class Server:
    """Opens its ports at once; `run` serves them until `stop`."""

    def __init__(
        self,
        target: Target,
        services: Mapping[str, tuple[int, Callable[[], Client]]],
        tell: Callable[[str], None],
        after_client: Callable[[], None] = lambda: None,
    ) -> None:
        """`services`: by name the port (0: any that is free) and what makes a client of a connection.

        `after_client` runs when one has left, for instance to put the board's state on disk.
        """
        self._pace = Pace(target)
        self._tell = tell
        self._after_client = after_client
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._stopping = False
        self._services: list[_Service] = []
        try:
            for name, (port, connect) in services.items():
                self._services.append(_Service(name, _listen(name, port), connect))
        except BaseException:
            self.close()
            raise
        for service in self._services:
            self._selector.register(service.listener, selectors.EVENT_READ, service)

    @property
    def ports(self) -> dict[str, int]:
        return {service.name: int(service.listener.getsockname()[1]) for service in self._services}

    @property
    def wakeup_fd(self) -> int:
        """Any byte written there ends `run`, as `signal.set_wakeup_fd` does it."""
        return self._wake.fileno()

    def stop(self) -> None:
        """End `run`; may be called by another thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    def run(self) -> None:
        while not self._stopping:
            running = [s for s in self._services if s.client is not None and s.client.running]
            for key, _ in self._selector.select(0 if running else None):
                service = key.data
                if service is None:
                    self._stopping = True
                elif key.fileobj is service.listener:
                    self._accept(service)
                else:
                    self._receive(service, waited=not running)
            running = [s for s in running if s.client is not None and s.client.running]
            if running and not self._stopping:
                self._pace.pass_time()
                for service in running:
                    assert service.client is not None
                    self._send(service, service.client.poll())

    def close(self) -> None:
        for service in self._services:
            if service.client is not None:
                self._drop(service)
            service.listener.close()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _accept(self, service: _Service) -> None:
        try:
            connection, _ = service.listener.accept()
        except OSError:  # gone before we looked
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(SEND_LIMIT_S)
        # The next client waits in the listener's queue until this one has left.
        self._selector.unregister(service.listener)
        self._selector.register(connection, selectors.EVENT_READ, service)
        service.connection, service.client = connection, service.connect()
        service.answered = time.monotonic()
        self._tell(f"{service.name}: a client has attached")

    def _receive(self, service: _Service, *, waited: bool) -> None:
        assert service.connection is not None and service.client is not None
        try:
            data = service.connection.recv(RECEIVE_SIZE)
        except OSError:
            data = b""
        if not data:
            self._drop(service)
            return
        pause = time.monotonic() - service.answered if waited else 0.0
        self._send(service, service.client.receive(data, pause))
        service.answered = time.monotonic()

    def _send(self, service: _Service, reply: bytes) -> None:
        assert service.connection is not None and service.client is not None
        try:
            if reply:
                service.connection.sendall(reply)
        except OSError:
            self._drop(service)
            return
        if service.client.closed:
            self._drop(service)

    def _drop(self, service: _Service) -> None:
        assert service.connection is not None and service.client is not None
        connection, client = service.connection, service.client
        service.connection = service.client = None
        self._selector.unregister(connection)
        connection.close()
        client.leave()
        self._selector.register(service.listener, selectors.EVENT_READ, service)
        self._after_client()
        self._tell(f"{service.name}: the client has left")


def _listen(name: str, port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except (OSError, OverflowError) as failure:
        taken = isinstance(failure, OSError) and failure.errno == errno.EADDRINUSE
        why = "is in use by another program" if taken else f"cannot be opened ({failure})"
        raise BoardflashError(
            f"port {port} {why}; choose another, or 0 for any that is free",
            where=f"--{name} {port}",
            code=ExitCode.PROBE_BUSY,
        ) from failure
