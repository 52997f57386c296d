"""Ports of an installation: chosen once, kept, and changed only when somebody else has taken them."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from phoenix.errors import InfrastructureError
from phoenix.store.files import write_atomically

#: Where the search for a free port begins; the ranges do not overlap.
_FIRST = {"ui": 8080, "worker_log": 8793, "trigger_log": 8893}
_SPAN = 100


@dataclass(frozen=True)
class Ports:
    """The TCP ports the components listen on."""

    ui: int
    worker_log: int
    trigger_log: int


def known_ports(run: Path) -> Ports | None:
    """Return the ports chosen before."""
    try:
        return Ports(**json.loads((run / "ports.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def choose_ports(run: Path, host: str) -> Ports:
    """Return free ports, those of last time if they still are, and remember them.

    ``PHOENIX_UI_PORT`` names the one of the pages.

    Raises
    ------
    InfrastructureError
        If the named port, or a whole range, is taken.
    """
    wanted: dict[str, int] = asdict(known_ports(run) or Ports(**_FIRST))
    if named := os.environ.get("PHOENIX_UI_PORT"):
        wanted["ui"] = int(named)
        if not is_free(host, wanted["ui"]):
            raise InfrastructureError(
                f"PHOENIX_UI_PORT={named}",
                "another program listens there",
                "a free port",
                "unset it or name another",
            )
    hosts = {"ui": host, "worker_log": "", "trigger_log": ""}  # the log servers listen on all addresses
    ports = Ports(**{name: _free_port(hosts[name], port, _FIRST[name]) for name, port in wanted.items()})
    write_atomically(run / "ports.json", json.dumps(asdict(ports)))
    return ports


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str, wanted: int, first: int) -> int:
    candidates: list[int] = [wanted, *range(first, first + _SPAN)]
    for port in candidates:
        if is_free(host, port):
            return port
    raise InfrastructureError(
        f"ports {first} to {first + _SPAN - 1}", "all are taken", "a free one", "see who listens: ss -ltnp"
    )
