"""Schema of ``phoenix.yaml``: this site's folders, engine, database, host and alert addresses."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from phoenix.config.base import Strict

#: Airflow pool of the tasks that fill a core; `make up` gives it the host's slots.
HOST_POOL = "host"


class Folders(Strict):
    """Where things lie, relative to the data root unless absolute."""

    raw: Path = Path("raw")
    static: Path = Path("static")
    masters: Path = Path("masters")
    ab: Path = Path("ab")
    work: Path = Path("work")
    products: Path = Path("products")
    reports: Path = Path("reports")
    conv: Path = Path("conv")
    archive: Path = Path("archive")


class Engine(Strict):
    """The Docker engine that runs recipes; the default is the one of this machine."""

    url: str | None = Field(default=None, description="unix:///var/run/docker.sock or tcp://host:2376")
    tls_folder: Path | None = Field(default=None, description="holds ca.pem, cert.pem, key.pem")
    path_map: dict[Path, Path] = Field(
        default={}, description="folder as seen here -> the same folder as the engine sees it"
    )


class Host(Strict):
    """What recipes may use of the machine they run on."""

    slots: int = Field(default=2, ge=1, description="recipes at the same time")
    memory_gb: float = Field(default=4.0, gt=0)
    min_free_disk_gb: float = Field(default=2.0, ge=0)


class Email(Strict):
    """Where the digest of a batch is mailed."""

    smtp_host: str = "localhost"
    smtp_port: int = 25
    starttls: bool = False
    username: str | None = None
    password_env: str | None = Field(default=None, description="environment variable that holds it")
    sender: str
    to: tuple[str, ...] = Field(min_length=1)


class Webhook(Strict):
    """Where the digest of a batch is posted as JSON."""

    url: str
    timeout_s: float = 10.0


class Alerts(Strict):
    """One digest for each failed or partial batch."""

    email: Email | None = None
    webhook: Webhook | None = None


class Site(Strict):
    """The machine-dependent part of the configuration."""

    site: str
    folders: Folders = Folders()
    database_url: str | None = Field(default=None, description="unset: the embedded PostgreSQL")
    engine: Engine = Engine()
    host: Host = Host()
    alerts: Alerts = Alerts()
    ui_url: str = Field(default="http://localhost:8080", description="Airflow's address, for links in alerts")
