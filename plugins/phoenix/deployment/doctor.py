"""What is wrong with an installation, and the command that mends it. Looks only; changes nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.table import Table

from phoenix.config.loader import Configuration
from phoenix.deployment.components import COMPONENTS, airflow_api
from phoenix.deployment.database import embedded_database, is_running
from phoenix.deployment.image_folders import image_folders
from phoenix.deployment.images import LABEL_VERSION, current_image, is_there
from phoenix.deployment.installation import Installation
from phoenix.deployment.packages import PROGRAMS, missing_programs
from phoenix.deployment.ports import is_free, known_ports
from phoenix.deployment.processes import Processes
from phoenix.errors import PhoenixError
from phoenix.execution.engine_connection import connect

if TYPE_CHECKING:
    from docker import DockerClient

_GIB = 2**30
#: MJD of observations and the validity of tokens both rest on the clock; nobody has data from before this.
_EARLIEST_SANE_YEAR = 2024
_WARN_MEMORY_GB = 4


class Status(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    subject: str
    status: Status
    found: str
    remedy: str = ""


Check = Callable[[Installation], Iterator[Finding]]


def examine(installation: Installation) -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding as well."""
    findings: list[Finding] = []
    for subject, check in _CHECKS.items():
        try:
            findings += check(installation)
        except PhoenixError as error:
            findings.append(Finding(subject, Status.FAIL, f"{error.subject}: {error.found}", error.remedy))
    return findings


def as_json(findings: list[Finding]) -> str:
    """Return the findings as a JSON list."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: list[Finding]) -> str:
    """Return the findings as a table."""
    colours = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        said = f"{finding.found}\n-> {finding.remedy}" if finding.remedy else finding.found
        table.add_row(finding.subject, finding.status.value, said, style=colours[finding.status])
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def _python(_: Installation) -> Iterator[Finding]:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("apache-airflow-core", "astropy", "phoenix-airflow")
    )
    found = f"Python {sys.version.split()[0]}, {versions}"
    yield Finding("python", Status.OK, found)


def _programs(_: Installation) -> Iterator[Finding]:
    for package in missing_programs():
        yield Finding("programs", Status.FAIL, f"{package} is not installed", "make tools")
    if not missing_programs():
        yield Finding("programs", Status.OK, ", ".join(PROGRAMS))


def _configuration(installation: Installation) -> Iterator[Finding]:
    errors = Configuration(installation.config, installation.root).check()
    for error in errors:
        yield Finding("configuration", Status.FAIL, f"{error.subject}: {error.found}", error.remedy)
    if not errors:
        yield Finding("configuration", Status.OK, f"{installation.config}")


def _engine(installation: Installation) -> Iterator[Finding]:
    with closing(connect(installation.site.engine)) as client:
        info = client.info()
        yield Finding(
            "engine",
            Status.OK,
            f"Docker {info['ServerVersion']}, {info['NCPU']} CPUs, {info['MemTotal'] / _GIB:.1f} GiB",
        )
        if info["MemTotal"] / _GIB < _WARN_MEMORY_GB:
            yield Finding(
                "engine", Status.WARN, f"less than {_WARN_MEMORY_GB} GiB of memory", "use a larger host"
            )
        yield from _images(client, installation)


def _images(client: DockerClient, installation: Installation) -> Iterator[Finding]:
    for folder in image_folders(installation.project):
        image = current_image(client, folder)
        if image is not None:
            yield Finding("images", Status.OK, f"{folder.repository} {image.labels[LABEL_VERSION]}")
        elif folder.problem:
            found = f"{folder.repository} cannot be made: {folder.problem}"
            yield Finding("images", Status.WARN, found, f"see {folder.dockerfile}")
        else:
            # Whoever runs one instrument needs no images of the others; one that is not what the project says
            # would be used all the same.
            outdated = is_there(client, folder)
            yield Finding(
                "images",
                Status.FAIL if outdated else Status.WARN,
                f"{folder.repository} is {'out of date' if outdated else 'not built'}",
                f"make images INSTRUMENT={folder.name}",
            )


def _path_mapping(installation: Installation) -> Iterator[Finding]:
    engine = installation.site.engine
    remote = engine.url is not None and not engine.url.startswith("unix:")
    for here in engine.path_map:
        if not here.is_dir():
            yield Finding(
                "path mapping",
                Status.FAIL,
                f"{here} does not exist here",
                "mend engine.path_map in phoenix.yaml",
            )
    if remote and not any(installation.root.is_relative_to(here) for here in engine.path_map):
        yield Finding(
            "path mapping",
            Status.WARN,
            f"the engine is another machine; it must see {installation.root} under the same name",
            "mount it there, or set engine.path_map in phoenix.yaml",
        )


def _database(installation: Installation) -> Iterator[Finding]:
    url = os.environ.get("PHOENIX_DATABASE_URL") or installation.site.database_url
    if url:
        try:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()
        except psycopg.Error as error:
            yield Finding(
                "database", Status.FAIL, str(error).strip(), "see that the server runs and lets us in"
            )
        else:
            yield Finding("database", Status.OK, "the server named by the configuration answers")
    elif is_running(installation.root):
        yield Finding(
            "database", Status.OK, f"embedded PostgreSQL in {embedded_database(installation.root).data}"
        )
    else:
        yield Finding("database", Status.WARN, "the embedded PostgreSQL does not run", "make up")


def _airflow(installation: Installation) -> Iterator[Finding]:
    processes = Processes(installation.run, installation.log)
    running = [name for name in COMPONENTS if processes.lives(name)]
    dead = [name for name in COMPONENTS if processes.record(name) and name not in running]
    for name in dead:
        yield Finding(
            "airflow",
            Status.FAIL,
            f"{name} has died; see {processes.log_file(name)}",
            "make up starts it again",
        )
    if not running:
        yield Finding("airflow", Status.WARN, "not running", "make up")
        ports = known_ports(installation.run)
        if ports and not is_free("127.0.0.1", ports.ui):
            yield Finding(
                "ports",
                Status.WARN,
                f"{ports.ui} was taken by another program",
                "make up chooses the next free one",
            )
        return
    with airflow_api(installation) as api:
        unwell = {name: state for name, state in api.health().items() if state != "healthy"}
        for name, state in unwell.items():
            yield Finding("airflow", Status.FAIL, f"{name}: {state}", "make down, make up")
        for error in api.import_errors():
            last = error.stack_trace.strip().splitlines()[-1:]
            yield Finding("DAG files", Status.FAIL, f"{error.filename}: {' '.join(last)}", "mend that file")
        if not unwell and not dead:
            yield Finding("airflow", Status.OK, f"healthy: {', '.join(running)}")


def _disk(installation: Installation) -> Iterator[Finding]:
    wanted_gb = installation.site.host.min_free_disk_gb
    folder = _existing(installation.root)
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < wanted_gb:
        yield Finding(
            "disk",
            Status.FAIL,
            f"{free_gb:.1f} GB free for {installation.root}, less than {wanted_gb} GB",
            "make room, move PHOENIX_ROOT, or lower host.min_free_disk_gb in phoenix.yaml",
        )
    else:
        yield Finding("disk", Status.OK, f"{free_gb:.0f} GB free for {installation.root}")
    if not os.access(folder, os.W_OK):
        yield Finding("disk", Status.FAIL, f"{folder} cannot be written", f"sudo chown $USER {folder}")


def _clock(installation: Installation) -> Iterator[Finding]:
    now, year = time.time(), time.gmtime().tm_year
    newest = max((path.stat().st_mtime for path in installation.run.glob("*.process")), default=0.0)
    if year < _EARLIEST_SANE_YEAR or newest > now + 60:
        yield Finding(
            "clock",
            Status.FAIL,
            time.strftime("%Y-%m-%d %H:%M:%S UTC is in the past", time.gmtime(now)),
            "timedatectl",
        )
    else:
        yield Finding("clock", Status.OK, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _existing(path: Path) -> Path:
    """Return the path, or the first folder above it that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


_CHECKS: dict[str, Check] = {
    "python": _python,
    "programs": _programs,
    "configuration": _configuration,
    "disk": _disk,
    "clock": _clock,
    "engine": _engine,
    "path mapping": _path_mapping,
    "database": _database,
    "airflow": _airflow,
}
