"""The log of a running container, line by line and complete to its last byte."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container

#: A single line longer than this is cut; a recipe must not fill our memory.
_MAX_LINE_BYTES = 64 * 1024
#: An ended container's stream ends at once; a lost engine's perhaps never.
_JOIN_S = 5.0


class LineSplitter:
    """Joins chunks and splits them into lines; what is no UTF-8 is shown as such."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines a chunk completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [_text(line) for line in lines]

    def end(self) -> list[str]:
        """Return the last line if it has no end."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line[:_MAX_LINE_BYTES].decode("utf-8", "replace").rstrip("\r")


class LogReader(threading.Thread):
    """Reads a container's log in the background, from its beginning.

    An engine ends the stream when the container ends, sometimes before the last lines went through it, and
    when it is restarted while the container runs on. `missed` brings the rest of an ended container's log
    from what the engine keeps, `resumed` reads on where this reader came to.
    """

    def __init__(self, container: Container, splitter: LineSplitter | None = None, received: int = 0) -> None:
        super().__init__(name=f"log of {container.name}", daemon=True)
        self._container = container
        self._splitter = splitter or LineSplitter()
        self._received = received
        #: Lines, then None at the end of the stream.
        self.lines: queue.Queue[str | None] = queue.Queue(maxsize=10_000)
        self.problem = ""

    def run(self) -> None:
        """Read until the container ends or the engine is lost."""
        import docker
        import requests
        import urllib3

        known = self._received
        try:
            stream = self._container.logs(stream=True, follow=True, stdout=True, stderr=True)
            for chunk in stream:
                new = chunk[known:]
                known -= len(chunk) - len(new)
                self._received += len(new)
                for line in self._splitter.feed(new):
                    self.lines.put(line)
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            self.problem = str(error)
        finally:
            self.lines.put(None)

    def resumed(self) -> LogReader:
        """Return a reader, started, that gives the lines after those this one gave; its stream has ended."""
        self.join(_JOIN_S)
        reader = LogReader(self._container, self._splitter, self._received)
        reader.start()
        return reader

    def missed(self) -> list[str]:
        """Return the lines of an ended container that did not come through the stream."""
        import docker
        import requests

        self.join(_JOIN_S)
        try:
            whole = self._container.logs(stdout=True, stderr=True)
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            self.problem = str(error)
            whole = b""
        return [*self._splitter.feed(whole[self._received :]), *self._splitter.end()]
