"""Ways to the container engine: a socket that can be cut as if it had stopped, a port that speaks TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
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


class TlsForwarder:
    """A TCP port on loopback that asks for a certificate, as a remote engine does, and passes on to ours.

    Attributes
    ----------
    client_folder, strangers_folder
        ``ca.pem``, ``cert.pem`` and ``key.pem`` of a client the port knows, and of one it does not.
    """

    def __init__(self, folder: Path) -> None:
        self.client_folder, self.strangers_folder = folder / "client", folder / "stranger"
        server = folder / "server"
        known = Authority(server)
        known.issue(server, "127.0.0.1")
        known.issue(self.client_folder, "client")
        Authority(self.strangers_folder).issue(self.strangers_folder, "stranger")
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(server / "cert.pem", server / "key.pem")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> TlsForwarder:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            # An aborted connection is closed by the loop, a turn later.
            await asyncio.sleep(0.1)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(ENGINE)
        ways = [
            asyncio.ensure_future(_pour(reader, engine_writer)),
            asyncio.ensure_future(_pour(engine_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            engine_writer.transport.abort()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        target.write(piece)
        await target.drain()


class Authority:
    """Certificates of a test's own, made by openssl."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._certificate, self._key = folder / "ca.pem", folder / "ca-key.pem"
        self._openssl(
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-keyout",
            self._key,
            "-out",
            self._certificate,
        )

    def issue(self, folder: Path, name: str) -> None:
        """Write ``ca.pem``, ``cert.pem`` and ``key.pem`` of somebody on this machine."""
        folder.mkdir(parents=True, exist_ok=True)
        request, extensions = folder / "request.pem", folder / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl(
            "req",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / "key.pem",
            "-out",
            request,
        )
        self._openssl(
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            self._certificate,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            extensions,
            "-out",
            folder / "cert.pem",
        )
        if not (folder / "ca.pem").exists():
            shutil.copy(self._certificate, folder / "ca.pem")

    @staticmethod
    def _openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
