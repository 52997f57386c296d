"""A master that cannot be read: told before a container starts; once mended, as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders_execution import (
    NIGHT,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
    write_fits,
)
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerJob, OnLine
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus
from phoenix.model.outcome import Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database

MAKER = "UVES.2019-03-04T09:00:00.000_tpl.ab"
#: Its master, as the recipe that needs it sees it.
MASTER = "UVES.2019-03-04T09:00:00.000_tpl_masterbias_blue.fits"
#: Does something to a master, returns how to undo it.
Damage = Callable[[Path], Callable[[], object]]

CHECK = """
import sys
from pathlib import Path
from phoenix.execution.staging import Input, check_inputs

master = Input(Path(sys.argv[1]), "MASTER_BIAS_BLUE", "master.fits", raw=False, mandatory=True)
refusal = check_inputs([master], lambda header: "")
print(refusal.outcome, *refusal.findings)
"""
#: Files without the right to read them are readable for root, unless it gives up this privilege.
NO_MORE_THAN_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def flawless(job: ContainerJob, on_line: OnLine) -> int:
    """A recipe that names the master it was given."""
    assert (job.input_folder / MASTER).is_file()
    product = job.output_folder / "masterbias_blue.fits"
    status = master_bias(job, on_line)
    keywords = {"PRO.REC1.CAL1.NAME": MASTER, "PRO.REC1.CAL1.CATG": "MASTER_BIAS_BLUE"}
    write_fits(product, {"PRO.CATG": "MASTER_BIAS_BLUE", "PRO.REC1.RAW1.CATG": "BIAS_BLUE", **keywords})
    return status


@pytest.fixture
def needing(database: Database, configuration: Configuration) -> AssociationBlock:
    """An AB that needs the master bias of another one, which is done."""
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    maker = bias_ab(raws, name=MAKER)
    store_ab(database, configuration, maker)
    made = run_ab(database, configuration, RELEASE, MAKER, runner=PretendedEngine(master_bias))
    assert made.outcome is Outcome.OK
    needing = bias_ab(raws, mcalibs=(Mcalib(McalibStatus.VIRTUAL, MAKER, "MASTER_BIAS_BLUE"),))
    store_ab(database, configuration, needing)
    return needing


def a_folder(master: Path) -> Callable[[], object]:
    aside = master.rename(master.with_suffix(".aside"))
    master.mkdir()

    def mend() -> None:
        master.rmdir()
        aside.rename(master)

    return mend


def truncated(master: Path) -> Callable[[], object]:
    whole = master.read_bytes()
    master.write_bytes(whole[: len(whole) - 2880])
    return lambda: master.write_bytes(whole)


def a_dead_link(master: Path) -> Callable[[], object]:
    aside = master.rename(master.with_suffix(".aside"))
    master.symlink_to(master.with_name("nowhere"))
    return lambda: aside.replace(master)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (a_folder, "is not a file"),
        (truncated, "incomplete: file has"),
        (a_dead_link, "the file does not exist"),
    ],
)
def test_a_broken_master(
    database: Database,
    configuration: Configuration,
    needing: AssociationBlock,
    damage: Damage,
    words: str,
) -> None:
    with database.transaction() as session:
        (product,) = AttemptRepository(session).products(RELEASE, MAKER)
    mend = damage(Path(product.path))
    engine = PretendedEngine(flawless)
    refused = run_ab(database, configuration, RELEASE, needing.name, runner=engine)
    assert refused.outcome is Outcome.UNPROCESSABLE
    row = ab_row(database, needing.name)
    assert row.outcome == "unprocessable"
    assert row.reason.startswith(f"{product.path}: ")
    assert words in row.reason
    assert engine.jobs == [], "no container is started"
    folder = configuration.folders.products_of(needing)
    assert not folder.exists()

    mend()
    attempt = run_ab(database, configuration, RELEASE, needing.name, runner=engine)
    assert (attempt.number, attempt.outcome) == (2, Outcome.OK), attempt.findings
    with database.transaction() as session:
        assert AttemptRepository(session).history(RELEASE, needing.name) == (refused, attempt)
    assert len(engine.jobs) == 1
    assert {path.name for path in folder.iterdir()} == {
        "masterbias_blue.fits",
        "esorex.log",
        "recipe.log",
        "verdict.json",
    }
    assert [*configuration.folders.work.rglob("*.fits"), *configuration.folders.work.rglob("input")] == []


@pytest.mark.parametrize("without_rights", ["master.fits", "."], ids=["file", "folder"])
def test_a_master_without_the_right_to_read_it(tmp_path: Path, without_rights: str) -> None:
    folder = tmp_path / "products"
    master = write_fits(folder / "master.fits", {"PRO.CATG": "MASTER_BIAS_BLUE"})
    (folder / without_rights).chmod(0)
    prefix = NO_MORE_THAN_RIGHTS if os.geteuid() == 0 else []
    try:
        command = [*prefix, sys.executable, "-c", CHECK, str(master)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    finally:
        folder.chmod(0o755)
    assert told.startswith(f"unprocessable {master}: ")
    assert "Permission denied" in told
