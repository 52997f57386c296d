"""What a container was started for, kept in the attempt's folder for a process that takes over.

A process that is lost takes all it knew along. The next one finds the container by name and labels, and here
what it needs to follow it, to judge it and to publish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phoenix.errors import InfrastructureError
from phoenix.execution.container import ContainerJob
from phoenix.execution.staging import Input
from phoenix.store.files import write_atomically

ORDER_FILE = "order.json"


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides about the products of a run: when one of these changes, a container is of no use any more.

    Attributes
    ----------
    image_id
        Content address of the pipeline's image.
    inputs
        Path and tag of each file, in the order of the SOF.
    """

    ab_sha256: str
    image_id: str
    parameters: Mapping[str, str]
    inputs: tuple[tuple[str, str], ...]
    memory_gb: float

    def changed(self, now: Terms) -> str:
        """Say what is not as it was when the container was started; empty when everything is."""
        if self.ab_sha256 != now.ab_sha256:
            return "the text of the AB was changed since"
        if self.image_id != now.image_id:
            return f"the pipeline's image is another one now, {now.image_id[:19]}"
        if self.memory_gb != now.memory_gb:
            return f"it was given {self.memory_gb:g} GB of memory, and should have {now.memory_gb:g} GB now"
        if dict(self.parameters) != dict(now.parameters):
            names = sorted({name for name, _ in set(self.parameters.items()) ^ set(now.parameters.items())})
            return f"recipe parameters were changed since: {', '.join(names)}"
        if self.inputs != now.inputs:
            return "the AB has other input files now"
        return ""


@dataclass(frozen=True, slots=True)
class Commission:
    """A started container as its attempt's folder remembers it.

    Attributes
    ----------
    inputs
        As they were checked and staged, with their fingerprints.
    """

    terms: Terms
    job: ContainerJob
    inputs: tuple[Input, ...]
    pipeline_version: str

    def write(self, folder: Path) -> None:
        """Keep this in an attempt's folder; nobody ever sees half of it."""
        write_atomically(folder / ORDER_FILE, json.dumps(asdict(self), indent=1, default=str) + "\n")


def read_commission(folder: Path) -> Commission:
    """Return what an attempt's folder remembers.

    Raises
    ------
    InfrastructureError
        If it does not, or in a form of another version.
    """
    file = folder / ORDER_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Commission(
            terms=_terms(content["terms"]),
            job=_job(content["job"]),
            inputs=tuple(Input(**(entry | {"path": Path(entry["path"])})) for entry in content["inputs"]),
            pipeline_version=str(content["pipeline_version"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InfrastructureError(str(file), f"cannot be read: {type(error).__name__} {error}") from error


def _terms(content: dict[str, Any]) -> Terms:
    return Terms(**(content | {"inputs": tuple((path, tag) for path, tag in content["inputs"])}))


def _job(content: dict[str, Any]) -> ContainerJob:
    folders = {name: Path(content[name]) for name in ("input_folder", "output_folder")}
    return ContainerJob(**(content | folders | {"command": tuple(content["command"])}))
