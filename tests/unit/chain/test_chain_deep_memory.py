"""Memory of deep cubes by the rows of their pixel tables, on the hosts of the example site."""

from __future__ import annotations

import shutil

import pytest

from builders_muse import DEEP, MuseRun
from phoenix.chain.lots import lots
from phoenix.chain.resources import memory_gb, producers_of, too_large
from phoenix.config.hosts import serving
from phoenix.config.loader import PROJECT, Configuration
from phoenix.execution.memory import estimate_gb
from phoenix.execution.staging import Producer
from phoenix.model.ab import AssociationBlock
from phoenix.store.database import Database

#: Rows of the pixel table of a full exposure of 24 units.
FULL = 346_000_000


@pytest.fixture(scope="module")
def eso(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    """The example site with several hosts."""
    folder = tmp_path_factory.mktemp("eso") / "config"
    shutil.copytree(PROJECT / "include" / "config", folder)
    shutil.copy(folder / "sites" / "example_eso.yaml", folder / "phoenix.yaml")
    return Configuration(folder, tmp_path_factory.mktemp("root"))


def needs_gb(configuration: Configuration, exposures: int, rows: int = FULL) -> float:
    """Memory of a combination of so many exposures."""
    return estimate_gb(configuration.instrument("MUSE").recipes["muse_exp_combine"], [rows] * exposures)


@pytest.mark.parametrize(
    ("release", "exposures", "fits"),
    [("MUSE_R", 20, True), ("MUSE_R", 25, False), (DEEP, 25, True), (DEEP, 95, True), (DEEP, 120, False)],
)
def test_what_fits_on_the_hosts_of_a_queue(
    eso: Configuration, release: str, exposures: int, fits: bool
) -> None:
    needs = needs_gb(eso, exposures)
    assert (needs <= serving(eso.site, eso.release(release)).largest_gb) is fits


def test_120_exposures_fit_when_their_tables_are_somewhat_smaller(eso: Configuration) -> None:
    """By the model of 66 bytes a row; 42 were measured for single units, which would hold full ones."""
    assert needs_gb(eso, 120, rows=270_000_000) < 2048 < needs_gb(eso, 120)


def deep_cube(site: MuseRun) -> tuple[AssociationBlock, dict[str, Producer]]:
    (cube,) = site.deep()["deep_combine"]
    with site.database.transaction() as session:
        return cube, producers_of(session, DEEP, cube)


def test_rows_of_tables_of_the_other_release_give_the_memory_and_its_class(
    database: Database, eso: Configuration
) -> None:
    site = MuseRun(database, eso)
    site.night("2021-03-04", (1, "HUDF", 1), (2, "HUDF", 1))
    site.process(site.exposures(), rows=2_000_000)
    site.create()
    cube, producers = deep_cube(site)
    model = eso.instrument("MUSE").recipes["muse_exp_combine"].memory
    assert model is not None
    tables = [product for producer in producers.values() for product in producer.products]
    assert len([product for product in tables if product.pro_catg == "PIXTABLE_REDUCED"]) == 2
    typical = model.base_gb + 2 * 66 * model.typical_rows / 2**30
    assert memory_gb(eso, cube, producers) == pytest.approx(typical), "its offsets are not there yet"
    (alignment,) = site.deep()["deep_alignment"]
    site.process([alignment.name], release=DEEP)
    cube, producers = deep_cube(site)
    measured = model.base_gb + 2 * 66 * 2_000_000 / 2**30
    assert memory_gb(eso, cube, producers) == pytest.approx(measured)
    planned = {
        entry.name: [
            name
            for lot in lots(database, eso, DEEP, cube.date, "deep_combine", entry.name, 1000)
            for name in lot.names
        ]
        for entry in serving(eso.site, eso.release(DEEP)).classes_of(
            eso.instrument("MUSE").recipes["muse_exp_combine"]
        )
    }
    assert [name for names in planned.values() for name in names] == [cube.name], planned


def test_what_no_host_holds_is_refused_with_the_figure(eso: Configuration) -> None:
    ab = AssociationBlock(
        "MUSE.x.ab", DEEP, "MUSE", "2021-03-04", "deep_combine", "muse_exp_combine", "OBJECT", "SCIENCE",
        "SCIENCE_x", 59278.0, 59278.0, (),
    )  # fmt: skip
    told = too_large(eso, ab, needs_gb(eso, 120))
    assert told == f"needs {needs_gb(eso, 120):.0f} GB, the largest host of queue muse_large gives 2048 GB"
