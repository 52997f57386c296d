"""A simulated XSHOOTER night whose recipes all ran: what several tests of the real chain look at."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, select, text

from builders_uves import PROJECT
from phoenix.chain.run import BatchRun, Step
from phoenix.config.loader import Configuration
from phoenix.model.outcome import Outcome
from phoenix.model.report import BatchReport
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.truth import Truth, load_truth
from phoenix.store.database import Database
from phoenix.store.tables import AbRow

RELEASE, MONTH = "XSHOOT_R2", "2021-03"
#: Coarse bins save most of the time of the recipes: with polynomials they spend it on rectifying.
BIN_NM = 0.1
_COARSE = """
pgis:
  - name: set_parameters
    config:
"""
_ON_SKY = ("respon_slit_stare", "scired_slit_stare", "scired_slit_nod", "scired_slit_offset")


@dataclass
class XshooterNight:
    """A night whose recipes all ran; the steps after them run when a test asks."""

    database: Database
    configuration: Configuration
    abs_: list[AbRow]
    truth: Truth

    def ab(self, task: str, arm: str = "VIS") -> AbRow:
        (row,) = (row for row in self.abs_ if row.task == task and arm in row.raw_type.split("_"))
        return row

    def product(self, task: str, name: str, arm: str = "VIS") -> Path:
        folder = self.ab(task, arm).product_folder
        assert folder is not None
        return Path(folder) / f"{name}_{arm}.fits"

    def run(self, steps: list[Step]) -> tuple[BatchReport, list[str]]:
        """Do steps of the batch; return its report and what was said."""
        return _run(self.database, self.configuration, steps)


@contextmanager
def xshooter_night(postgres: str, root: Path) -> Iterator[XshooterNight]:
    """Simulate one night below a folder and run its recipes, with a database of its own."""
    plan = SimulationPlan("XSHOOTER", MONTH, 1, 1, "small")
    simulator("XSHOOTER").simulate(plan, root, lambda _done, _total, _name: None)
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
    database = Database(postgres.format(name=name))
    configuration = _coarse_configuration(root / "config", root)
    _, said = _run(database, configuration, [Step.CREATE_ABS, Step.EDIT_ABS, Step.RUN_RECIPES])
    with database.transaction() as session:
        rows = list(session.scalars(select(AbRow).order_by(AbRow.name)))
        session.expunge_all()
    assert {row.outcome for row in rows} == {Outcome.OK}, "\n".join(said)
    yield XshooterNight(database, configuration, rows, load_truth(root / "truth.json"))
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def _run(
    database: Database, configuration: Configuration, steps: list[Step]
) -> tuple[BatchReport, list[str]]:
    said: list[str] = []
    batch = BatchRun(database, configuration, RELEASE, MONTH, "test", say=said.append)
    return batch.run(steps), said


def _coarse_configuration(folder: Path, root: Path) -> Configuration:
    """Return the project's configuration with coarse bins for the recipes of frames of the sky."""
    shutil.copytree(PROJECT / "include" / "config", folder)
    release = folder / "releases" / f"{RELEASE}.yaml"
    entries = "".join(
        f"      - recipe: xsh_{recipe}\n"
        f"        parameters: {{rectify-bin-lambda: {BIN_NM}, rectify-bin-slit: 0.32}}\n"
        f'        reason: "a test is to be quick"\n'
        for recipe in _ON_SKY
    )
    release.write_text(release.read_text() + _COARSE + entries)
    return Configuration(folder, root)
