"""Schema of ``phoenix.yaml``: this site's folders, engine, database, hosts and alert addresses."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from phoenix.config.base import Strict

#: Airflow pool of the tasks that fill cores and memory of a host; `make up` makes it (see ``config.hosts``).
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
    associations: Path = Path("associations")


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


class ProcessingHost(Strict):
    """One of several machines recipes run on; a worker of Airflow on it serves its queue."""

    queue: str = Field(pattern=r"[a-z][a-z0-9_]*", description="shared by hosts of one class")
    cores: int = Field(ge=1, description="recipes at the same time that use one core each")
    memory_gb: float = Field(gt=0, description="all that recipes may have together")
    disk_tb: float | None = Field(default=None, gt=0, description="for people; nothing depends on it")
    min_free_disk_gb: float = Field(default=2.0, ge=0)
    engine: Engine = Field(default=Engine(), description="as its worker reaches it; default: the host's own")

    @property
    def limits(self) -> Host:
        """What recipes may use of it."""
        return Host(slots=self.cores, memory_gb=self.memory_gb, min_free_disk_gb=self.min_free_disk_gb)


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
    hosts: dict[str, ProcessingHost] = Field(
        default={}, description="by short name, where recipes run on several; replaces engine and host there"
    )
    memory_classes: dict[str, float] = Field(
        default={"small": 2.0, "medium": 16.0, "large": 128.0, "huge": 512.0},
        min_length=1,
        description="name -> GB an AB of the class may have; an AB is run in the smallest that holds it",
    )
    disk_per_raw: float = Field(
        default=5.0,
        gt=0,
        description="bytes a batch writes for each byte of its raw frames, until its release has a history",
    )
    alerts: Alerts = Alerts()
    ui_url: str = Field(default="http://localhost:8080", description="Airflow's address, for links in alerts")

    @field_validator("memory_classes")
    @classmethod
    def _distinct(cls, classes: dict[str, float]) -> dict[str, float]:
        if min(classes.values()) <= 0 or len(set(classes.values())) < len(classes):
            raise ValueError("sizes in GB, all different and above 0")
        if not all(name.isidentifier() for name in classes):
            raise ValueError("names of letters, digits and underscores: they become part of task names")
        return classes
