"""Everything that runs on one machine: database and Airflow's components, brought up and taken down."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from phoenix.config.hosts import pools
from phoenix.deployment.airflow_api import AirflowApi
from phoenix.deployment.airflow_home import (
    Login,
    login,
    migrate,
    migration_is_due,
    ui_host,
    write_configuration,
)
from phoenix.deployment.database import DatabaseUrls, ensure_databases, stop_embedded
from phoenix.deployment.engine import DAEMON, stop_containers, stop_engine
from phoenix.deployment.installation import Installation
from phoenix.deployment.ports import choose_ports, known_ports
from phoenix.deployment.processes import Processes
from phoenix.errors import InfrastructureError, UsageError
from phoenix.store.database import Database

#: `airflow standalone` would start the same, and leave half of it behind when it is stopped.
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_TELL_EVERY_S = 5.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Running:
    """What `up` has brought up."""

    login: Login
    databases: DatabaseUrls


def up(installation: Installation, tell: Tell) -> Running:
    """Start database and Airflow, and wait until all is healthy; harmless when it runs.

    Parameters
    ----------
    installation : Installation
        What to start.
    tell : callable
        Gets a line for each step.

    Raises
    ------
    InfrastructureError
        If something does not start; names the process and the last lines of its log.
    """
    with _locked(installation):
        tell("PostgreSQL")
        databases = ensure_databases(installation)
        _migrate_own(databases)
        environment = component_environment(installation, databases)
        processes = Processes(installation.run, installation.log)
        ports = known_ports(installation.run)
        if ports is None or not any(processes.lives(name) for name in COMPONENTS):
            ports = choose_ports(installation.run, ui_host())
        account = login(installation, ports)
        environment["PHOENIX_UI_URL"] = account.url
        write_configuration(installation, databases, ports)
        if migration_is_due(installation, databases):
            tell("Airflow's database: schema")
            migrate(installation, databases, environment)
        for name in COMPONENTS:
            command = [sys.executable, "-m", "airflow", name]
            # Asked to end, a task left by a lost scheduler would stop its recipe; killed, it leaves the
            # container to the task's next try.
            if processes.start(name, command, environment, installation.project, kill_leftovers=True):
                tell(f"Airflow's {name}")
        _wait(processes, account, pools(installation.site), tell)
    return Running(account, databases)


def down(installation: Installation, tell: Tell) -> list[str]:
    """Stop what was started here, with everything it started; return the names of what ran.

    That is Airflow, recipe containers it left, PostgreSQL, and the engine if it is ours and no one else's.
    """
    with _locked(installation):
        processes = Processes(installation.run, installation.log)
        names = [name for name in COMPONENTS if processes.record(name)]
        stopped = []
        if names:
            tell(f"stopping {', '.join(names)}")
            stopped = processes.stop(names)
        stopped += stop_containers(installation)
        if stop_embedded(installation.root):
            stopped.append("postgresql")
        if stop_engine(installation, tell):
            stopped.append(DAEMON)
    return stopped


def component_environment(installation: Installation, databases: DatabaseUrls) -> dict[str, str]:
    """Return the environment of the components, and of any Airflow command for this installation."""
    return installation.environment() | {"PHOENIX_DATABASE_URL": databases.phoenix}


def airflow_api(installation: Installation) -> AirflowApi:
    """Return a client of the Airflow that runs here.

    Raises
    ------
    UsageError
        If it was never started.
    """
    ports = known_ports(installation.run)
    if ports is None:
        raise UsageError("Airflow", f"was never started for {installation.root}", remedy="make up")
    return AirflowApi(login(installation, ports))


def _migrate_own(databases: DatabaseUrls) -> None:
    database = Database(databases.phoenix)
    try:
        database.migrate()
    finally:
        database.close()


def _wait(processes: Processes, account: Login, sizes: Mapping[str, int], tell: Tell) -> None:
    started = told = time.monotonic()

    def watch(state: dict[str, str]) -> None:
        nonlocal told
        for name in COMPONENTS:
            if not processes.lives(name):
                raise InfrastructureError(
                    f"Airflow's {name}",
                    f"ended while starting; its last words:\n{processes.log_tail(name)}",
                    remedy=f"see {processes.log_file(name)}; make down, then make up",
                )
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            missing = [name for name, value in state.items() if value != "healthy"] or ["api-server"]
            tell(f"waiting for {', '.join(missing)} ({told - started:.0f} s)")

    with AirflowApi(account) as api:
        api.wait_healthy(watch=watch)
        for name, size_mb in sizes.items():
            api.set_pool(
                name, size_mb, "memory in MB for recipes and QC jobs; each takes at least a core's share"
            )


@contextmanager
def _locked(installation: Installation) -> Iterator[None]:
    """Let one `up` or `down` at a time work on an installation."""
    installation.run.mkdir(parents=True, exist_ok=True)
    with (installation.run / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
