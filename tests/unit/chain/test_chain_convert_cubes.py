"""Conversion and ingestion of cubes: the exposures of an OB, their alignment and their combination."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from astropy.io import fits
from sqlalchemy import select

from builders_ab import science_ab
from builders_execution import NIGHT, NOW, store_ab
from phoenix.chain.batch import close_batch
from phoenix.chain.convert import ConvertReport, convert_idps
from phoenix.chain.ingest import enqueue, ingest
from phoenix.config.loader import Configuration
from phoenix.execution.publish import VERDICT
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus, ProductInput, RawFile, Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product
from phoenix.store.ab_trees import AbTrees
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.idps import IdpRepository
from phoenix.store.tables import AbRow, AttemptRow, IdpRow, ProductRow
from products_muse import EXPTIME_S, MJD_OBS, OVERHEAD_S, Combined, arcfile

RELEASE = "MUSE_R"
EXPOSURES = 2
ALIGNMENT, CUBE = "MUSE.0_align.ab", "MUSE.0_comb.ab"


@dataclass
class Block:
    """An OB of two exposures, each in two steps, their alignment and their combination."""

    database: Database
    configuration: Configuration

    def reduce(self, cube: Outcome) -> None:
        """Reduce it; the last step comes to that outcome."""
        for number in range(EXPOSURES):
            self._exposure(number)
        names = [f"MUSE.{number}_post.ab" for number in range(EXPOSURES)]
        images = tuple(ProductInput(name, "IMAGE_FOV") for name in names)
        self._finish(_ab(ALIGNMENT, "alignment", inputs=images), [], Outcome.OK)
        tables = tuple(ProductInput(name, "PIXTABLE_REDUCED") for name in names)
        offsets = (Mcalib(McalibStatus.VIRTUAL, ALIGNMENT, "OFFSET_LIST"),)
        ab = _ab(CUBE, "combine", inputs=tables, mcalibs=offsets)
        products = self._written(ab, Combined(self._folder(ab), EXPOSURES))
        self._finish(ab, products, cube)

    def outcome(self, outcome: Outcome) -> None:
        """Let the combination have come to something else."""
        with self.database.transaction() as session:
            session.scalars(select(AbRow).where(AbRow.name == CUBE)).one().outcome = outcome.value

    def convert(self) -> ConvertReport:
        return convert_idps(self.database, self.configuration, RELEASE, NIGHT, NIGHT)

    def cubes(self) -> list[IdpRow]:
        with self.database.transaction() as session:
            return [row for row in IdpRepository(session).of_batch(RELEASE, NIGHT) if row.parent_id is None]

    def _exposure(self, number: int) -> None:
        start = {"ARCFILE": arcfile(number), "DATE-OBS": arcfile(number)[5:28],
                 "MJD-OBS": MJD_OBS + number * (EXPTIME_S + OVERHEAD_S) / 86400}  # fmt: skip
        ab = _ab(
            f"MUSE.{number}_post.ab",
            "exposure",
            inputs=(ProductInput(f"MUSE.{number}.ab", "PIXTABLE_OBJECT"),),
        )
        exposure = Combined(self._folder(ab), 1, raw_cards={0: start})
        products = self._written(ab, exposure)
        raws = tuple(RawFile(str(path), "OBJECT") for path in (*exposure.raws, exposure.folder / "lamp.fits"))
        self._finish(_ab(f"MUSE.{number}.ab", "science", raws=raws), [], Outcome.OK)
        self._finish(ab, products, Outcome.OK)

    def _written(self, ab: AssociationBlock, products: Combined) -> list[Product]:
        products.write()
        paths = [products.cube, products.folder / "IMAGE_FOV_0001.fits"]
        return [Product(str(path), fits.getheader(path)["ESO PRO CATG"], 1, "0") for path in paths]

    def _folder(self, ab: AssociationBlock) -> Path:
        return self.configuration.folders.products_of(ab)

    def _finish(self, ab: AssociationBlock, products: list[Product], outcome: Outcome) -> None:
        folder = self._folder(ab)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / VERDICT).write_text(json.dumps({"inputs": []}))
        store_ab(self.database, self.configuration, ab)
        sha256 = AbTrees(self.configuration.folders).save(Tree.FINAL, ab)
        with self.database.transaction() as session:
            row = session.scalars(select(AbRow).where(AbRow.name == ab.name)).one()
            row.tree, row.text_sha256, row.outcome = Tree.FINAL.value, sha256, outcome.value
            row.product_folder = str(folder)
            session.add(
                AttemptRow(ab_id=row.id, number=1, outcome="ok", started_at=NOW, ended_at=NOW, image="i",
                           image_digest="sha256:" + "ab" * 32, pipeline_version="muse/2.8.7")
            )  # fmt: skip
            for product in products:
                session.add(
                    ProductRow(
                        ab_id=row.id, pro_catg=product.pro_catg, path=product.path, size_bytes=1, sha256="0"
                    )
                )


def _ab(name: str, task: str, **changes: object) -> AssociationBlock:
    ab = science_ab(
        name=name, release=RELEASE, instrument="MUSE", date=NIGHT, task=task, mcalibs=(), parameters=(),
        expected=(), raws=(), batch_id=f"SCIENCE_{NIGHT}", match_keys=(("mode", "WFM-NOAO-N"),),
    )  # fmt: skip
    return replace(ab, **changes)  # type: ignore[arg-type]


@pytest.fixture
def block(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Block:
    monkeypatch.setattr("builders_execution.KEY", NIGHT)  # batches of MUSE are nights
    with database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.NIGHT, NIGHT), "test")
    return Block(database, configuration)


def test_an_ob_becomes_one_cube_that_is_archived(block: Block) -> None:
    block.reduce(Outcome.OK)
    report = block.convert()
    assert str(report) == "1 ABs converted, 0 unchanged, 0 files with findings, 0 ABs failed"
    (cube,) = block.cubes()
    assert (cube.origfile[:7], cube.findings) == ("MU_SCBC", [])
    header = fits.getheader(cube.path)
    assert [header["PROV1"], header["PROV2"]] == [arcfile(0), arcfile(1)]
    assert header["NCOMBINE"] == EXPOSURES
    assert str(block.convert()).startswith("0 ABs converted, 1 unchanged")
    enqueue(block.database, block.configuration, RELEASE, NIGHT)
    assert "3 files archived" in str(ingest(block.database, block.configuration, RELEASE, NIGHT))
    closed = close_batch(block.database, block.configuration, RELEASE, NIGHT, "test")
    assert not [line for line in closed.not_ingested if "not converted" in line]


def test_without_the_combination_each_exposure_is_a_cube_though_the_alignment_is_there(block: Block) -> None:
    block.reduce(Outcome.FAILED)
    report = block.convert()
    assert (report.converted, report.failures) == (EXPOSURES, ())
    assert [row.origfile[:7] for row in block.cubes()] == ["MU_SCBX"] * EXPOSURES
    assert [line.split(":")[0] for line in report.unstacked] == ["MUSE.0_post.ab", "MUSE.1_post.ab"]
    assert report.left_out == (), "an alignment is not asked for an IDP"


def test_a_combination_that_succeeds_later_replaces_the_single_cubes(block: Block) -> None:
    block.reduce(Outcome.FAILED)
    block.convert()
    folders = [Path(row.path).parent for row in block.cubes()]
    block.outcome(Outcome.OK)
    block.convert()
    assert [row.origfile[:7] for row in block.cubes()] == ["MU_SCBC"]
    assert not any(folder.exists() for folder in folders)
