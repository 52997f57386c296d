"""Where one installation keeps what: project, data root and the folders of its processes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from phoenix.config.loader import PROJECT, Configuration
from phoenix.config.site import Site


@dataclass(frozen=True)
class Installation:
    """One checkout with one data root; several of them may live on a machine.

    Parameters
    ----------
    root : Path
        The data root.
    config : Path
        Folder of the configuration.
    project : Path
        The checkout: DAGs, plugins and the Airflow template.
    dags : Path, optional
        The DAG folder; default ``dags`` of the project.
    """

    root: Path
    config: Path
    project: Path = PROJECT
    dags: Path = PROJECT / "dags"

    @classmethod
    def here(cls) -> Installation:
        """Return the installation of this checkout, or what ``PHOENIX_ROOT`` and ``PHOENIX_CONFIG`` name."""
        configuration = Configuration()
        return cls(configuration.root, configuration.folder)

    @cached_property
    def site(self) -> Site:
        """The site's ``phoenix.yaml``."""
        return Configuration(self.config, self.root).site

    @property
    def run(self) -> Path:
        """Records of running processes."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """Logs of the processes; Airflow's task logs are below `airflow_home`."""
        return self.root / "log"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.root / "airflow"

    @property
    def secrets(self) -> Path:
        """Keys and passwords made for this installation, readable by its owner alone."""
        return self.root / "secrets"

    @property
    def key(self) -> str:
        """Short name of this data root, different from that of every other."""
        return root_key(self.root)

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of this installation."""
        environment = dict(os.environ)
        # Byte code is worth seconds at each start of a component.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        paths = [str(self.project / "plugins"), environment.get("PYTHONPATH", "")]
        # The components talk to each other over loopback; no proxy may come between them.
        no_proxy = [environment.get("no_proxy", ""), "localhost,127.0.0.1"]
        return environment | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONUNBUFFERED": "1",
            "PHOENIX_ROOT": str(self.root),
            "PHOENIX_CONFIG": str(self.config),
            "AIRFLOW_HOME": str(self.airflow_home),
            "NO_PROXY": ",".join(filter(None, no_proxy)),
            "no_proxy": ",".join(filter(None, no_proxy)),
        }


def root_key(root: Path) -> str:
    """Return a short name for a data root."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]


def private_folder(path: Path) -> Path:
    """Make a folder only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path
