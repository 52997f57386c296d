"""Runs of slow ABs that are interrupted, and what must be true afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys

import docker

from builders_execution import RELEASE, ab_row
from phoenix.config.loader import Configuration
from phoenix.execution.container import LABEL_AB, LABEL_INSTALLATION
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database
from pretended_recipe import expected_log

Container = docker.models.containers.Container

_RUN = """
import sys
from pathlib import Path
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.store.database import Database

url, config, root, release, name = sys.argv[1:]

def tell(line):
    print(line, flush=True)

attempt = run_ab(Database(url), Configuration(Path(config), Path(root)), release, name, tell)
print("attempt", attempt.number, attempt.outcome)
"""


def in_a_process(database: Database, site: Configuration, ab: AssociationBlock) -> subprocess.Popen[str]:
    """Run an AB; the process prints the recipe's lines, and how the attempt ended."""
    url = database.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(site.folder), str(site.root), RELEASE, ab.name]
    return subprocess.Popen([sys.executable, "-c", _RUN, *arguments], stdout=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Wait for a line of the recipe."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the process ended without saying {words!r}")


def kill(process: subprocess.Popen[str]) -> None:
    """End the process with SIGKILL."""
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def labels(site: Configuration, ab: AssociationBlock) -> list[str]:
    """Labels of the containers of an AB."""
    return [f"{LABEL_INSTALLATION}={site.root}", f"{LABEL_AB}={ab.name}"]


def containers_of(engine: docker.DockerClient, site: Configuration, ab: AssociationBlock) -> list[Container]:
    """Containers of an AB, running or not."""
    return engine.containers.list(all=True, ignore_removed=True, filters={"label": labels(site, ab)})


def history(database: Database, ab: AssociationBlock) -> tuple[Attempt, ...]:
    """Attempts of an AB that ended."""
    with database.transaction() as session:
        return AttemptRepository(session).history(RELEASE, ab.name)


def assert_as_if_nothing_had_happened(
    database: Database, site: Configuration, ab: AssociationBlock, steps: int
) -> None:
    """One set of products, a whole log, an empty working folder, a good row."""
    folder = site.folders.products_of(ab)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name for path in folder.iterdir()} == {
        "masterbias_blue.fits",
        "esorex.log",
        "recipe.log",
        "verdict.json",
    }
    assert (folder / "recipe.log").read_text().splitlines() == expected_log(steps)
    assert [*site.folders.work.rglob("*.fits"), *site.folders.work.rglob("input")] == []
    row = ab_row(database, ab.name)
    assert (row.outcome, row.tree) == ("ok", "final")
