"""Airflow's home: its configuration made from the template, its keys, and its database brought up to date."""

from __future__ import annotations

import importlib.metadata
import json
import os
import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from phoenix.deployment.database import DatabaseUrls
from phoenix.deployment.installation import Installation, private_folder
from phoenix.deployment.ports import Ports
from phoenix.deployment.secret_files import keep_secret, random_key, random_password, write_private
from phoenix.errors import ConfigError, InfrastructureError

USERNAME = "admin"


@dataclass(frozen=True)
class Login:
    """How a person, or our REST client, gets into Airflow."""

    url: str
    username: str
    password: str
    password_file: Path


def ui_host() -> str:
    """Return the address the pages are served on: ``PHOENIX_UI_HOST``, else for this machine alone."""
    return os.environ.get("PHOENIX_UI_HOST") or "127.0.0.1"


def login(installation: Installation, ports: Ports) -> Login:
    """Return address, user and password; the password is made at the first call."""
    file = installation.secrets / "airflow_passwords.json"
    passwords = json.loads(keep_secret(file, json.dumps({USERNAME: random_password()})))
    return Login(f"http://localhost:{ports.ui}", USERNAME, passwords[USERNAME], file)


def write_configuration(installation: Installation, urls: DatabaseUrls, ports: Ports) -> Path:
    """Write ``airflow.cfg`` from the template.

    Raises
    ------
    ConfigError
        If the template names something that does not exist.
    """
    account = login(installation, ports)
    secret = installation.secrets
    values = {
        "dags": installation.dags,
        "plugins": installation.project / "plugins",
        "logs": installation.airflow_home / "logs",
        # Twice the processors would leave them idle while task processes start and report back.
        "parallelism": min(64, max(8, 4 * (os.cpu_count() or 1))),
        "database_url": urls.airflow,
        "database_async_url": _async_url(urls.airflow),
        "ui_host": ui_host(),
        "ui_port": ports.ui,
        "ui_url": account.url,
        "internal_url": f"http://127.0.0.1:{ports.ui}",
        "worker_log_port": ports.worker_log,
        "trigger_log_port": ports.trigger_log,
        "username": account.username,
        "passwords_file": account.password_file,
        "fernet_key": keep_secret(secret / "fernet_key", random_key()),
        "secret_key": keep_secret(secret / "api_secret_key", random_key()),
        "jwt_secret": keep_secret(secret / "jwt_secret", random_key()),
    }
    template = installation.project / "airflow.cfg.template"
    # A per cent sign begins an interpolation in Airflow's configuration.
    escaped = {name: str(value).replace("%", "%%") for name, value in values.items()}
    try:
        content = string.Template(template.read_text()).substitute(escaped)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            str(template), f"cannot be filled in: {error}", f"names among {', '.join(sorted(values))}"
        ) from error
    path = private_folder(installation.airflow_home) / "airflow.cfg"
    write_private(path, content)
    return path


def migration_is_due(installation: Installation, urls: DatabaseUrls) -> bool:
    """Tell whether Airflow's database may be behind the installed Airflow.

    Asking Airflow itself costs seconds; the version and the schema revision of the last migration are kept.
    """
    try:
        last = json.loads(_migration_stamp(installation).read_text())
    except (FileNotFoundError, ValueError):
        return True
    return bool(last != _migrated_state(urls))


def migrate(installation: Installation, urls: DatabaseUrls, environment: dict[str, str]) -> None:
    """Bring Airflow's database to the schema of the installed Airflow.

    Raises
    ------
    InfrastructureError
        If that fails; names the last lines of the output.
    """
    installation.log.mkdir(parents=True, exist_ok=True)
    log = installation.log / "migrate.log"
    with log.open("wb") as output:
        result = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise InfrastructureError(
            "Airflow's database", f"its migration failed:\n{tail}", remedy=f"see {log}, then make up again"
        )
    _migration_stamp(installation).write_text(json.dumps(_migrated_state(urls)))


def _async_url(url: str) -> str:
    """Return the URL for Airflow's asynchronous connections: psycopg serves both kinds."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _migration_stamp(installation: Installation) -> Path:
    return installation.airflow_home / "migrated.json"


def _migrated_state(urls: DatabaseUrls) -> dict[str, str | None]:
    engine = create_engine(urls.airflow)
    try:
        with engine.connect() as connection:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        revision = None
    finally:
        engine.dispose()
    return {"airflow": importlib.metadata.version("apache-airflow-core"), "revision": revision}
