"""A Docker engine beside the machine's own, to be stopped, killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import psutil


class SecondEngine:
    """An engine without a network, in a folder of its own; nothing of it is left by `clear_away`."""

    def __init__(self, folder: Path, live_restore: bool) -> None:
        self.url = f"unix://{folder}/docker.sock"
        self.live_restore = live_restore
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # In a network of its own: a second engine would clear away the bridge of the first.
        self._command = [
            *("unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", f"--host={self.url}"),
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            *(["--live-restore"] if live_restore else []),
        ]

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / "docker.pid").unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._listens():
            assert time.monotonic() < deadline, (self._folder / "dockerd.log").read_text()[-2000:]
            time.sleep(0.1)
        with_engine(self.url, lambda client: client.ping())

    def _listens(self) -> bool:
        """Whether somebody is behind the socket; a client that finds nobody would leave its own end open."""
        with socket.socket(socket.AF_UNIX) as end, suppress(OSError):
            end.connect(self.url.removeprefix("unix://"))
            return True
        return False

    def load(self, image: str) -> None:
        """Copy an image from the machine's own engine."""
        saved = with_engine(None, lambda client: list(client.images.get(image).save(named=True)))
        with_engine(self.url, lambda client: client.images.load(b"".join(saved)))

    def stop(self) -> None:
        """Ask it to end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def kill(self) -> None:
        """End it without a word; its containerd dies with it, its containers do not."""
        assert self._process is not None
        helpers = psutil.Process(self._process.pid).children()
        self._process.kill()
        self._process.wait(60)
        psutil.wait_procs(helpers, timeout=10)
        assert not [helper for helper in helpers if helper.is_running()]

    def clear_away(self) -> None:
        """Remove its containers, end it, and unmount and remove all it made."""

        def remove_all(client: docker.DockerClient) -> None:
            for container in client.containers.list(all=True):
                container.remove(force=True)

        with suppress(docker.errors.DockerException):
            with_engine(self.url, remove_all)
        self.stop()
        for mounted in _mounts_below(self._folder):
            subprocess.run(["umount", str(mounted)], check=True, timeout=30)
        shutil.rmtree(self._folder)


def _mounts_below(folder: Path) -> list[Path]:
    """Return what is mounted below a folder, the innermost first."""
    points = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.is_relative_to(folder)), reverse=True)


def with_engine(url: str | None, act: Callable[[docker.DockerClient], Any]) -> Any:
    """Do something with the engine of a URL, or with the machine's own."""
    client = docker.DockerClient(base_url=url) if url else docker.from_env()
    try:
        return act(client)
    finally:
        client.close()
