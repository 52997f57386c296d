"""Conversion and ingestion of stacks: exposures go with their stack, and are not lost without it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits
from sqlalchemy import select

from builders_execution import KEY, NIGHT, NOW, store_ab
from phoenix.chain.batch import close_batch
from phoenix.chain.convert import ConvertReport, convert_idps
from phoenix.chain.edit import edit_abs
from phoenix.chain.ingest import enqueue, ingest
from phoenix.config.loader import Configuration
from phoenix.execution.publish import VERDICT
from phoenix.model.ab import AssociationBlock, ProductInput, RawFile, Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product
from phoenix.store.ab_trees import AbTrees
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.idps import IdpRepository
from phoenix.store.receipts import Receipts
from phoenix.store.tables import AbRow, AttemptRow, IdpRow, IngestionRow, ProductRow, QcRunRow, ScoreRow
from products_giraffe import CADENCE, MJD_OBS, Exposure, giraffe_ab, release_pgis
from stacked import combine

RELEASE = "GIRAF_STACK"
FIBRE = "SCIENCE_RBNSPEC_IDP"
STACK = "GIRAF.0_stk.ab"


@dataclass
class Field:
    """An OB of GIRAFFE with two exposures and their stack."""

    database: Database
    configuration: Configuration

    def exposure(self, number: int) -> Exposure:
        """Reduce an exposure."""
        name = f"GIRAF.{number}.ab"
        raw = self.configuration.folders.raw / NIGHT / f"{number}.fits"
        ab = self._ab(name, raws=(RawFile(str(raw), "SCIENCE"),), task="science")
        exposure = Exposure(
            self.configuration.folders.products_of(ab), number, {1: "STAR 1", 4: "HD 4"}
        ).write()
        raw.parent.mkdir(parents=True, exist_ok=True)
        exposure.raw.replace(raw)
        self._finish(ab, exposure.products, Outcome.OK)
        return exposure

    def stack(self, exposures: list[Exposure], outcome: Outcome = Outcome.OK) -> None:
        """Stack them, or fail to."""
        inputs = tuple(ProductInput(f"GIRAF.{one.number}.ab", FIBRE) for one in exposures)
        ab = self._ab(
            STACK, raws=(), inputs=inputs, min_inputs=2, task="stack", recipe="phoenix_spectrum_combine"
        )
        fibres = [p for one in exposures for p in one.products if p.pro_catg == FIBRE]
        folder = self.configuration.folders.products_of(ab)
        products = combine(fibres, folder)
        self._finish(ab, products, outcome)

    def _ab(self, name: str, **changes: object) -> AssociationBlock:
        mjd = MJD_OBS + CADENCE * ("1" in name)
        return giraffe_ab(release_pgis(), name=name, date=NIGHT, mjd_obs=mjd, mjd_obs_mod=mjd, **changes)

    def _finish(self, ab: AssociationBlock, products: list[Product], outcome: Outcome) -> None:
        folder = self.configuration.folders.products_of(ab)
        (folder / VERDICT).write_text(json.dumps({"inputs": []}))
        store_ab(self.database, self.configuration, ab)
        sha256 = AbTrees(self.configuration.folders).save(Tree.FINAL, ab)
        with self.database.transaction() as session:
            row = session.scalars(select(AbRow).where(AbRow.name == ab.name)).one()
            row.tree, row.text_sha256, row.outcome = Tree.FINAL.value, sha256, outcome.value
            row.product_folder = str(folder)
            session.add(
                AttemptRow(ab_id=row.id, number=1, outcome="ok", started_at=NOW, ended_at=NOW, image="i",
                           image_digest="sha256:" + "ab" * 32, pipeline_version="giraf/2.16.10")
            )  # fmt: skip
            for product in products:
                session.add(
                    ProductRow(
                        ab_id=row.id, pro_catg=product.pro_catg, path=product.path, size_bytes=1, sha256="0"
                    )
                )

    def outcome(self, name: str, outcome: Outcome, reason: str = "") -> None:
        with self.database.transaction() as session:
            row = session.scalars(select(AbRow).where(AbRow.name == name)).one()
            row.outcome, row.reason = outcome.value, reason

    def convert(self) -> ConvertReport:
        return convert_idps(self.database, self.configuration, RELEASE, KEY, NIGHT)

    def idps(self) -> list[IdpRow]:
        with self.database.transaction() as session:
            return IdpRepository(session).of_batch(RELEASE, KEY)

    def heads(self) -> list[str]:
        return [row.origfile[:7] for row in self.idps() if row.parent_id is None]

    def ingest(self) -> str:
        enqueue(self.database, self.configuration, RELEASE, KEY)
        return str(ingest(self.database, self.configuration, RELEASE, KEY))


@pytest.fixture
def ob(database: Database, configuration: Configuration) -> Field:
    with database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
    return Field(database, configuration)


def test_a_stack_takes_its_exposures_along_once(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    report = ob.convert()
    assert str(report) == "1 ABs converted, 0 unchanged, 0 files with findings, 0 ABs failed"
    assert ob.heads() == ["GI_SOBS", "GI_SOBS"]
    # Of each exposure two fibres, the sky, the lamps and a text; and the text of the stack.
    assert len(ob.idps()) == 2 + 2 * 5 + 1
    assert all(row.findings == [] for row in ob.idps())
    assert str(ob.convert()).startswith("0 ABs converted, 1 unchanged")
    report = close_batch(ob.database, ob.configuration, RELEASE, KEY, "test")
    assert not [line for line in report.not_ingested if "not converted" in line]


def test_exposures_of_a_failed_stack_are_idps_and_the_report_says_why(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)], Outcome.FAILED)
    ob.outcome(STACK, Outcome.FAILED, "exit code 14")
    report = ob.convert()
    assert (report.converted, report.clean) == (2, False)
    assert ob.heads() == ["GI_SIDP"] * 4
    assert report.unstacked == tuple(
        f"GIRAF.{number}.ab: an IDP of its own, for its stack {STACK} is failed: exit code 14"
        for number in (0, 1)
    )
    with ob.database.transaction() as session:
        assert list(BatchRepository(session).find(RELEASE, KEY).problems) == list(report.unstacked)


def test_a_stack_that_succeeds_later_takes_over_what_its_exposures_were(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)], Outcome.FAILED)
    ob.convert()
    assert ob.ingest().startswith("10 files archived")
    ob.outcome(STACK, Outcome.OK)
    assert ob.convert().clean
    assert ob.heads() == ["GI_SOBS", "GI_SOBS"]
    assert [path.name for path in ob.configuration.folders.conv.rglob("GIRAF.*")] == [
        STACK.removesuffix(".ab")
    ]
    ob.ingest()
    with ob.database.transaction() as session:
        singles = session.query(IngestionRow).filter(IngestionRow.origfile.like("GI_SIDP%_004.fits"))
        standing = [
            (row.version, row.status) for row in singles.order_by(IngestionRow.origfile, IngestionRow.id)
        ]
    assert standing == [(1, "obsolete"), (2, "current")] * 2


def test_shared_files_are_archived_once_and_every_dataset_is_whole(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    ob.convert()
    assert ob.ingest().startswith("13 files archived, 0 before; 0 held, 0 failed, 0 waiting")
    with ob.database.transaction() as session:
        receipts = {receipt.arcfile: receipt for receipt in Receipts(session).all()}
    assert len(receipts) == len({receipt.origfile for receipt in receipts.values()}) == 13
    sky = [receipt.arcfile for receipt in receipts.values() if "_SSKY_" in receipt.origfile]
    for receipt in receipts.values():
        if receipt.origfile.startswith("GI_SOBS") and receipt.origfile.endswith(".fits"):
            header = fits.getheader(receipt.path)
            named = {value for key, value in header.items() if key.startswith("ASSON")}
            assert named <= receipts.keys()
            assert set(sky) <= named
    assert ob.ingest().startswith("0 files archived, 13 before")


def test_a_changed_shared_file_renews_all_that_name_it(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    ob.convert()
    ob.ingest()
    with ob.database.transaction() as session:
        sky = session.query(IdpRow).filter(IdpRow.origfile.like("GI_SSKY%")).first()
        path = Path(sky.path)
        path.write_bytes(path.read_bytes().replace(b"originating raw file", b"ORIGINATING RAW FILE"))
    with fits.open(path, mode="update") as hdus:
        hdus[0].add_checksum()
    with ob.database.transaction() as session:
        session.get_one(IdpRow, sky.id).sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ob.ingest().startswith("3 files archived, 10 before")
    with ob.database.transaction() as session:
        again = session.query(IngestionRow).filter(IngestionRow.version == 2)
        assert sorted((row.origfile[:7], row.status) for row in again) == [
            ("GI_SOBS", "current"), ("GI_SOBS", "current"), ("GI_SSKY", "current"),
        ]  # fmt: skip


def test_hiding_a_fibre_leaves_what_others_share(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    ob.convert()
    ob.ingest()
    with ob.database.transaction() as session:
        first, second = (
            row.arcfile
            for row in session.query(IngestionRow)
            .filter(IngestionRow.origfile.like("GI_SOBS%_00_.fits"))
            .order_by(IngestionRow.origfile)
        )
        book = Receipts(session)
        assert {receipt.origfile[-8:] for receipt in book.hide(first, "bad fibre")} == {"001.fits"}
        hidden = {receipt.origfile[:7] for receipt in book.hide(second, "bad fibre")}
    assert hidden == {"GI_SOBS", "GI_SIDP", "GI_SSKY", "GI_SSIM"}


def test_a_finding_in_one_fibre_does_not_keep_the_others_out(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    ob.convert()
    with ob.database.transaction() as session:
        bad = session.query(IdpRow).filter(IdpRow.origfile.like("GI_SOBS%_004.fits")).one()
        bad.findings = ["SPC-11 x"]
    report = ob.ingest()
    # The fibre and its two single exposures stay out.
    assert report.startswith("10 files archived, 0 before; 0 held, 3 failed")


def test_a_shared_file_that_fails_is_tried_once_a_call_and_keeps_all_that_name_it_out(ob: Field) -> None:
    ob.stack([ob.exposure(0), ob.exposure(1)])
    ob.convert()
    enqueue(ob.database, ob.configuration, RELEASE, KEY)
    (sky, *_) = [Path(row.path) for row in ob.idps() if "_SSKY_" in row.origfile]
    hidden = sky.rename(sky.with_suffix(".away"))
    report = str(ingest(ob.database, ob.configuration, RELEASE, KEY))
    with ob.database.transaction() as session:
        rows = {row.origfile: row for row in session.query(IngestionRow)}
    assert rows[sky.name].tries == 1
    heads = [row for name, row in rows.items() if name.startswith("GI_SOBS") and name.endswith(".fits")]
    assert {row.error for row in heads} == {f"waits for its ancillary file {sky.name}"}
    assert "3 failed" in report
    hidden.rename(sky)
    assert (
        str(ingest(ob.database, ob.configuration, RELEASE, KEY))
        .splitlines()[0]
        .endswith("0 held, 0 failed, 0 waiting")
    )


def test_score_bits_come_from_the_qc_of_the_ab(ob: Field) -> None:
    if "giraffe" not in ob.configuration.names("qc"):
        pytest.skip("no QC of GIRAFFE is configured")
    ob.exposure(0)
    parameters = ob.configuration.qc("GIRAFFE").tasks["science"].parameters
    names = [(one.bit, one.name) for one in parameters if one.bit is not None]
    with ob.database.transaction() as session:
        row = session.scalars(select(AbRow)).one()
        session.add(QcRunRow(ab_id=row.id, products_sha256="", measured_at=NOW, wall_s=0.0))
        session.flush()
        for bit, name in names:
            parameter = name.replace("{item}", "004")
            session.add(
                ScoreRow(
                    ab_id=row.id, parameter=parameter, value=1.0, verdict=int(bit == 2), threshold_version="1"
                )
            )
    ob.convert()
    (path,) = [row.path for row in ob.idps() if row.origfile.endswith("_004.fits")]
    bits = fits.getheader(path)["QCFLAG"]
    assert len(bits) == len(names)
    assert bits[2] == "1"
    assert set(bits) == {"0", "1"}


def test_history_takes_single_exposures_out_before_they_are_processed(
    database: Database, tmp_path: Path, configuration: Configuration
) -> None:
    folder = tmp_path / "config"
    for source in configuration.folder.rglob("*.yaml"):
        copy = folder / source.relative_to(configuration.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text().replace("proc_mode: CURRENT", "proc_mode: HISTORY"))
    history = Configuration(folder, configuration.root)
    ab = giraffe_ab({}, name="GIRAF.0.ab", date=NIGHT, raws=(RawFile("/raw/0.fits", "SCIENCE"),))
    other = giraffe_ab({}, name="GIRAF.1.ab", date=NIGHT, raws=(RawFile("/raw/1.fits", "SCIENCE"),))
    inputs = (ProductInput(other.name, FIBRE),)
    stack = giraffe_ab({}, name=STACK, date=NIGHT, raws=(), inputs=inputs, task="stack")
    for one in (ab, other, stack):
        store_ab(database, history, one)
    edit_abs(database, history, RELEASE, KEY, NIGHT)
    with database.transaction() as session:
        rows = {row.name: (row.exclusion, row.reason) for row in session.scalars(select(AbRow))}
    assert rows[ab.name][0] == "SINGLE_EXPOSURE_OB"
    assert "PROC_MODE is HISTORY" in rows[ab.name][1]
    assert rows[other.name][0] == rows[stack.name][0] == ""
