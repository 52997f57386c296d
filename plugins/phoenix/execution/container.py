"""What a recipe container is asked to do and how it ended; who runs it stands behind a Protocol."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

#: Where the working folder of an attempt appears inside the container.
INPUT = PurePosixPath("/job/input")
OUTPUT = PurePosixPath("/job/output")

LABEL_INSTALLATION = "org.phoenix.installation"
LABEL_RELEASE = "org.phoenix.release"
LABEL_AB = "org.phoenix.ab"
LABEL_ATTEMPT = "org.phoenix.attempt"
#: Stands for the release in containers that only ask an image what it is.
QUESTION = "question"

#: Receives each log line as it comes.
OnLine = Callable[[str], None]
#: Asked several times a second; True stops the container.
ShouldStop = Callable[[], bool]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class ContainerJob:
    """One container to run.

    Attributes
    ----------
    image
        Content address of the image, so that what is recorded is what ran.
    command
        Program and arguments; never a shell string with foreign text in it.
    input_folder, output_folder
        Folders of this machine, seen as ``/job/input`` (read-only) and ``/job/output`` (working directory).
    memory_gb
        Hard limit, swap included.
    """

    release: str
    ab: str
    attempt: int
    image: str
    command: tuple[str, ...]
    input_folder: Path
    output_folder: Path
    memory_gb: float
    cpus: float
    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Labels by which the container is found again when its owner is lost."""
        return {LABEL_RELEASE: self.release, LABEL_AB: self.ab, LABEL_ATTEMPT: str(self.attempt)}

    def name_in(self, installation: str) -> str:
        """Return the only name a container of this AB has, so that the engine itself refuses a second."""
        words = _NOT_IN_NAMES.sub("-", f"{self.release}-{self.ab.removesuffix('.ab')}")[:100]
        whose = hashlib.sha256(f"{installation}\n{self.release}\n{self.ab}".encode()).hexdigest()
        return f"phoenix-{words}-{whose[:8]}"


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that is there, running or ended, as the engine tells it.

    Attributes
    ----------
    attempt
        By its label.
    image
        Content address of its image.
    mounts
        Folder in the container -> folder on the engine's machine.
    exit_code
        None while it has not ended.
    killed
        It was ended by a signal from outside: neither by itself, nor for its memory, nor for its time.
    """

    name: str
    attempt: str
    image: str
    mounts: Mapping[str, str]
    exit_code: int | None = None
    killed: bool = False


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How a container ended, as the engine told it before the container was removed.

    Attributes
    ----------
    exit_code
        None when the engine could not say.
    lost
        Why the engine lost the container; empty when it did not.
    """

    name: str
    exit_code: int | None
    started_at: datetime
    ended_at: datetime
    oom_killed: bool = False
    timed_out: bool = False
    stopped: bool = False
    lost: str = ""


@dataclass(frozen=True, slots=True)
class KnownContainer:
    """A container of this installation, as its labels tell; running, or ended and not removed yet."""

    name: str
    release: str
    ab: str
    attempt: int
    running: bool


class ContainerRegister(Protocol):
    """Knows all containers of an installation, and stops those of an AB."""

    def containers(self) -> list[KnownContainer]:
        """Return all containers of this installation, sorted by name."""
        ...

    def stop(self, release: str, ab: str) -> int:
        """Stop and remove all containers of an AB; return how many there were."""
        ...


class ContainerRunner(Protocol):
    """Runs containers on an engine."""

    def image_id(self, image: str) -> str:
        """Return the content address of an image.

        Raises
        ------
        InfrastructureError
            If the engine does not answer or has no such image.
        """
        ...

    def run(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        """Start a container, follow it to its end and remove it."""
        ...

    def start(self, job: ContainerJob) -> None:
        """Start a container; an older one of the same release and AB is removed first.

        Raises
        ------
        InfrastructureError
            If it cannot be started.
        """
        ...

    def find(self, job: ContainerJob) -> FoundContainer | None:
        """Return the container of an AB, whoever started it; None when there is none."""
        ...

    def differing_folder(self, job: ContainerJob, found: FoundContainer) -> str:
        """Name a folder a container has from elsewhere than the job says; empty when all are the same."""
        ...

    def follow(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        """Follow the container of an AB from the first line of its log to its end; it stays, ended.

        One that was made and never started is started. A container that gets lost is a ContainerEnd, not an
        exception.
        """
        ...

    def discard(self, release: str, ab: str, attempt: int) -> None:
        """Remove what is left of an attempt's container; the next attempt of the AB does if this cannot."""
        ...

    def stop(self, release: str, ab: str) -> int:
        """Stop and remove all containers of an AB; return how many there were."""
        ...
