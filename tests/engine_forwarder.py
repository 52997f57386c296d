"""A Unix socket in front of the container engine that can be cut, as if the engine had been stopped."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Where the engine of this machine listens, unless DOCKER_HOST names another socket.
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class Forwarder:
    """Passes connections on to the engine until it is cut; `mend` lets it listen again.

    Parameters
    ----------
    path : Path
        The socket to listen on; names of Unix sockets are short.
    seen : callable
        Given each piece of a request before it is passed on.
    """

    def __init__(self, path: Path, seen: Callable[[bytes], None] = lambda _: None) -> None:
        self.url = f"unix://{path}"
        self._path = path
        self._seen = seen
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut = True
        self._listener: socket.socket | None = None
        self.mend()

    def mend(self) -> None:
        """Listen (again)."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        self._cut = False
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Stop listening and break every connection; what runs in the engine goes on."""
        with self._lock:
            self._cut = True
            doomed, self._open = self._open, set()
        if self._listener is not None:
            _end(self._listener)
        self._path.unlink(missing_ok=True)
        for connection in doomed:
            _end(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(ENGINE)
            with self._lock:
                cut = self._cut
                if not cut:
                    self._open |= {client, engine}
            if cut:
                _end(client)
                _end(engine)
                continue
            threading.Thread(target=self._pass_on, args=(client, engine, self._seen), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(engine, client, None), daemon=True).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, seen: Callable[[bytes], None] | None
    ) -> None:
        try:
            while piece := source.recv(65536):
                if seen is not None:
                    seen(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            if seen is None:
                with self._lock:
                    self._open -= {source, target}
                _end(source)
                _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
