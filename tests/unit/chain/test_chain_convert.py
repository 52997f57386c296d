"""Conversion of a night: recorded, checked, done once, and one bad AB stops no other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from astropy.io import fits
from sqlalchemy import select
from typer.testing import CliRunner

from builders_execution import KEY, NIGHT, NOW, RELEASE, store_ab
from phoenix.chain.batch import close_batch, open_batch
from phoenix.chain.convert import MANIFEST, convert_idps
from phoenix.chain.ingest import enqueue, ingest
from phoenix.cli import idp as command
from phoenix.config.loader import Configuration
from phoenix.errors import ConfigError, InfrastructureError
from phoenix.execution.publish import VERDICT
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus, RawFile, Tree
from phoenix.model.batch import BatchKey, BatchKind, BatchState
from phoenix.model.outcome import Outcome
from phoenix.model.product import Idp, Product
from phoenix.store.ab_trees import AbTrees
from phoenix.store.archive import IngestionQueue, Scope
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.idps import IdpRepository
from phoenix.store.tables import AbRow, AttemptRow, IdpRow, IngestionRow, ProductRow, ReportRow
from products_uves import Science


@dataclass
class Night:
    """Science ABs whose recipes have run."""

    database: Database
    configuration: Configuration

    def ab(
        self, second: int, outcome: Outcome = Outcome.OK, fluxed: bool = True, **raw: object
    ) -> AssociationBlock:
        """An AB with its raw frame, products, record and QC picture."""
        stamp = f"2019-03-05T03:04:{second:02d}.678"
        arcfile = f"UVES.{stamp}.fits"
        mjd = 58547.0 + timedelta(hours=3, minutes=4, seconds=second + 0.678) / timedelta(days=1)
        folders = self.configuration.folders
        raw_path = folders.raw / NIGHT / arcfile
        raw_path.parent.mkdir(parents=True, exist_ok=True)
        master = Mcalib(
            McalibStatus.VIRTUAL, "UVES.2019-03-05T10:00:00.000_tpl.ab", "MASTER_BIAS_BLUE", 0.3, 0
        )
        ab = replace(
            Science(Path()).ab,
            name=f"UVES.{stamp}.ab",
            date=NIGHT,
            release=RELEASE,
            raws=(RawFile(str(raw_path), "SCI_POINT_BLUE"),),
            mcalibs=(master,),
        )
        science = Science(
            folders.products_of(ab), fluxed=fluxed, raw_cards={"ARCFILE": arcfile, "MJD-OBS": mjd, **raw}
        )
        science.write().raw.replace(raw_path)
        (science.folder / "esorex.log").write_text("[ INFO  ] reduced\n")
        read = [{"path": "/data/masters/night/bias.fits", "tag": "MASTER_BIAS_BLUE"}]
        (science.folder / VERDICT).write_text(json.dumps({"inputs": read}))
        store_ab(self.database, self.configuration, ab)
        self._finish(ab, science, outcome)
        return ab

    def _finish(self, ab: AssociationBlock, science: Science, outcome: Outcome) -> None:
        sha256 = AbTrees(self.configuration.folders).save(Tree.FINAL, ab)
        picture = self.configuration.folders.report_of(ab) / "spectrum.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"\x89PNG picture")
        with self.database.transaction() as session:
            row = session.scalars(select(AbRow).where(AbRow.name == ab.name)).one()
            row.tree, row.text_sha256, row.outcome = Tree.FINAL.value, sha256, outcome.value
            row.product_folder = str(science.folder)
            session.add(
                AttemptRow(
                    ab_id=row.id,
                    number=1,
                    outcome=outcome.value,
                    started_at=NOW,
                    ended_at=NOW,
                    image="phoenix-uves",
                    image_digest="sha256:" + "ab" * 32,
                    pipeline_version="uves/6.1.8",
                )
            )
            session.add(ReportRow(ab_id=row.id, kind="spectrum", path=str(picture)))
            for product in science.products:
                session.add(_product(row.id, product))

    def convert(self, night: str | None = NIGHT) -> object:
        return convert_idps(self.database, self.configuration, RELEASE, KEY, night)

    def idps(self) -> list[IdpRow]:
        with self.database.transaction() as session:
            return IdpRepository(session).of_batch(RELEASE, KEY)

    def problems(self) -> list[str]:
        with self.database.transaction() as session:
            return list(BatchRepository(session).find(RELEASE, KEY).problems)


def _product(ab_id: int, product: Product) -> ProductRow:
    # The fingerprint of a product is its checksum; its path is unique and serves for one here.
    return ProductRow(
        ab_id=ab_id,
        pro_catg=product.pro_catg,
        path=product.path,
        size_bytes=product.size_bytes,
        sha256=hashlib.sha256(product.path.encode()).hexdigest(),
    )


@pytest.fixture
def night(database: Database, configuration: Configuration) -> Night:
    with database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
    return Night(database, configuration)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_night_becomes_idps_in_folders_and_rows(night: Night) -> None:
    abs_ = [night.ab(1), night.ab(2, Outcome.CAVEATS)]
    report = night.convert()
    assert str(report) == "2 ABs converted, 0 unchanged, 0 files with findings, 0 ABs failed"
    assert report.clean
    rows = night.idps()
    heads = [row for row in rows if row.parent_id is None]
    assert len(heads) == 2
    assert [row.prodcatg for row in heads] == ["SCIENCE.SPECTRUM"] * 2
    assert len(rows) == 8
    assert all(row.findings == [] for row in rows)
    assert {row.parent_id for row in rows} == {None, *(row.id for row in heads)}
    for ab in abs_:
        folder = night.configuration.folders.conv_of(ab)
        known = {Path(row.path).name for row in rows if Path(row.path).parent == folder}
        assert {path.name for path in folder.iterdir()} == known | {MANIFEST}
    assert not list(night.configuration.folders.conv.rglob(".*"))


def test_the_idp_tells_what_really_ran(night: Night) -> None:
    ab = night.ab(1)
    night.convert()
    (path,) = [Path(row.path) for row in night.idps() if row.parent_id is None]
    header = fits.getheader(path)
    assert header["PHXAB"] == ab.name
    assert header["PHXIMAGE"] == "ab" * 32
    # Virtual in the AB, a file when the recipe ran.
    assert header["PHXMC1"] == "night/bias.fits"
    readme = path.with_name(f"{path.stem}_ab.txt").read_text()
    assert f"AB_NAME {ab.name}" in " ".join(readme.split())
    assert "[ INFO  ] reduced" in readme


def test_what_is_converted_is_left_alone(night: Night) -> None:
    night.ab(1)
    night.convert()
    before = content(night.configuration.folders.conv)
    times = [row.converted_at for row in night.idps()]
    assert str(night.convert()).startswith("0 ABs converted, 1 unchanged")
    assert content(night.configuration.folders.conv) == before
    assert [row.converted_at for row in night.idps()] == times


def test_other_products_are_converted_again(night: Night) -> None:
    ab = night.ab(1)
    night.convert()
    with night.database.transaction() as session:
        session.query(ProductRow).first().sha256 = "0" * 64
    assert str(night.convert()).startswith("1 ABs converted, 0 unchanged")
    assert len(night.idps()) == 4
    assert night.configuration.folders.conv_of(ab).is_dir()


def test_a_file_that_was_lost_is_made_again(night: Night) -> None:
    night.ab(1)
    night.convert()
    lost = Path(night.idps()[0].path)
    lost.unlink()
    assert str(night.convert()).startswith("1 ABs converted")
    assert lost.is_file()


def test_rows_that_a_crash_kept_from_being_written_are_written(night: Night) -> None:
    night.ab(1)
    night.convert()
    with night.database.transaction() as session:
        session.query(IdpRow).filter(IdpRow.parent_id.is_not(None)).delete()
        session.query(IdpRow).delete()
    assert str(night.convert()).startswith("1 ABs converted")
    assert len(night.idps()) == 4


def test_names_that_changed_are_forgotten_unless_they_were_queued(night: Night) -> None:
    ab = night.ab(1)
    night.convert()
    queued = next(row for row in night.idps() if row.prodcatg == "ANCILLARY.PREVIEW")
    with night.database.transaction() as session:
        session.add(
            IngestionRow(
                idp_id=queued.id,
                release=RELEASE,
                origfile=queued.origfile,
                source_sha256="",
                state="archived",
            )
        )
        session.query(ReportRow).delete()
        session.query(ProductRow).filter(ProductRow.pro_catg.like("%WCALIB_FF%")).delete()
    night.convert()
    assert {row.prodcatg for row in night.idps()} == {
        "SCIENCE.SPECTRUM", "ANCILLARY.README", "ANCILLARY.PREVIEW",
    }  # fmt: skip
    assert len(list(night.configuration.folders.conv_of(ab).glob("*.png"))) == 0


def test_one_bad_ab_stops_no_other_and_is_a_problem_of_the_batch(night: Night) -> None:
    bad = night.ab(1, **{"ESO OBS ID": None})
    night.ab(2)
    report = night.convert()
    assert not report.clean
    assert str(report).startswith("1 ABs converted, 0 unchanged, 0 files with findings, 1 ABs failed")
    assert report.failures[0].startswith(f"{bad.name}: ")
    assert "OBS.ID: is missing" in report.failures[0]
    assert night.problems() == list(report.failures)
    assert not night.configuration.folders.conv_of(bad).exists()
    assert not list(night.configuration.folders.conv.rglob(".*"))


def test_a_file_with_findings_is_kept_and_marked(night: Night) -> None:
    night.ab(1, ORIGIN="NASA")
    report = night.convert()
    assert report.converted == 1
    assert len(report.flagged) == 1
    assert "ALL-04" in report.flagged[0]
    (head,) = [row for row in night.idps() if row.parent_id is None]
    assert [text[:6] for text in head.findings] == ["ALL-04"]
    assert Path(head.path).is_file()
    assert night.problems() == list(report.flagged)


def test_two_abs_of_one_exposure_are_told(night: Night) -> None:
    night.ab(1)
    night.ab(2, **{"MJD-OBS": 58547.0 + (3 * 3600 + 4 * 60 + 1.678) / 86400})
    report = night.convert()
    assert report.converted == 1
    assert "which belongs to UVES.2019-03-05T03:04:01.678.ab" in report.failures[0]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.NO_WORK, Outcome.BLOCKED])
def test_abs_without_usable_products_are_not_touched(night: Night, outcome: Outcome) -> None:
    night.ab(1, outcome)
    assert str(night.convert()).startswith("0 ABs converted, 0 unchanged")


def test_a_batch_whose_conversion_broke_off_is_not_done(night: Night) -> None:
    ab = night.ab(1)
    night.ab(2, Outcome.NO_WORK)
    report = close_batch(night.database, night.configuration, RELEASE, KEY, "test")
    assert report.state is not BatchState.DONE
    assert report.not_ingested == (f"{ab.name}: not converted to an IDP yet",)


def test_a_batch_behind_a_gate_opened_by_hand_waits_and_has_not_failed(night: Night, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    _copy_configuration(night.configuration.folder, folder)
    release = folder / "releases" / f"{RELEASE}.yaml"
    release.write_text(release.read_text().replace("gate: automatic", "gate: manual"))
    night.configuration = Configuration(folder, night.configuration.root)
    night.ab(1)
    night.convert()
    batch = night.database, night.configuration, RELEASE, KEY
    enqueue(*batch)
    ingest(*batch)
    waiting = close_batch(*batch, "test")
    assert waiting.state is BatchState.PARTIAL
    assert waiting.not_ingested == ()
    (line,) = waiting.held
    assert line.endswith(": the gate is opened by hand")
    with night.database.transaction() as session:
        IngestionQueue(session).open_gate(Scope(RELEASE, KEY))
    open_batch(*batch, "test")
    ingest(*batch)
    done = close_batch(*batch, "test")
    assert (done.state, done.held, done.idps_ingested) == (BatchState.DONE, (), 1)


def test_only_the_night_that_is_asked_for(night: Night) -> None:
    night.ab(1)
    assert night.convert("2019-03-07").converted == 0
    assert night.convert(None).converted == 1


def test_a_lost_record_is_told(night: Night) -> None:
    ab = night.ab(1)
    (night.configuration.folders.products_of(ab) / VERDICT).unlink()
    (failure,) = night.convert().failures
    assert "the record of the run cannot be read" in failure


def test_a_folder_that_cannot_be_written_is_an_infrastructure_error(night: Night) -> None:
    night.ab(1)
    night.configuration.folders.conv.parent.mkdir(parents=True, exist_ok=True)
    night.configuration.folders.conv.write_text("in the way")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        night.convert()


def test_an_unknown_converter_is_told_before_anything_is_done(night: Night, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    _copy_configuration(night.configuration.folder, folder)
    release = folder / "releases" / f"{RELEASE}.yaml"
    release.write_text(release.read_text().replace("converter: uves_spectrum", "converter: uves_spektrum"))
    other = Configuration(folder, night.configuration.root)
    with pytest.raises(ConfigError, match="did you mean uves_spectrum"):
        convert_idps(night.database, other, RELEASE, KEY, NIGHT)


def _copy_configuration(source: Path, target: Path) -> None:
    for path in source.rglob("*.yaml"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


def test_the_command_line_checks_files(night: Night) -> None:
    night.ab(1)
    night.convert()
    paths = [row.path for row in night.idps()]
    clean = CliRunner().invoke(command.app, ["check", *paths])
    assert (clean.exit_code, clean.output.strip()) == (0, "4 files, no findings")
    head = next(path for path in paths if path.endswith("_10.fits"))
    Path(head).write_bytes(Path(head).read_bytes().replace(b"/ observatory", b"/ Observatory", 1))
    broken = CliRunner().invoke(command.app, ["check", *paths, "--format", "json"])
    assert broken.exit_code == 1
    assert {found["rule"] for found in json.loads(broken.output)} == {"ALL-02", "FIT-02"}


def test_the_command_line_converts(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.ab(1, ORIGIN="NASA")
    monkeypatch.setattr(command, "get_database", lambda: night.database)
    monkeypatch.setattr(command, "get_configuration", lambda: night.configuration)
    result = CliRunner().invoke(command.app, ["convert", RELEASE, KEY, "--night", NIGHT])
    assert result.exit_code == 1
    assert result.output.startswith("1 ABs converted, 0 unchanged, 1 files with findings")


def test_the_command_line_lists_the_rules() -> None:
    result = CliRunner().invoke(command.app, ["rules", "--format", "json"])
    assert [row["rule"] for row in json.loads(result.output)][:3] == ["FIT-01", "FIT-02", "ALL-01"]


def test_saving_the_same_again_changes_nothing(night: Night) -> None:
    night.ab(1)
    night.convert()
    before = [(row.id, row.sha256, row.converted_at) for row in night.idps()]
    with night.database.transaction() as session:
        row = session.scalars(select(AbRow)).one()
        names = {idp.id: idp.origfile for idp in night.idps()}
        idps = [
            Idp(
                idp.path, idp.origfile, idp.prodcatg, idp.size_bytes, idp.sha256,
                names[idp.parent_id] if idp.parent_id else "", idp.title,
            )
            for idp in night.idps()
        ]  # fmt: skip
        IdpRepository(session).save(row, idps, {}, NOW)
    assert [(row.id, row.sha256, row.converted_at) for row in night.idps()] == before


def test_attempts_that_failed_are_not_taken_for_provenance(night: Night) -> None:
    ab = night.ab(1)
    with night.database.transaction() as session:
        row = session.scalars(select(AbRow).where(AbRow.name == ab.name)).one()
        session.add(
            AttemptRow(
                ab_id=row.id, number=2, outcome="failed", started_at=NOW, image_digest="sha256:" + "00" * 32
            )
        )
    night.convert()
    (head,) = [row for row in night.idps() if row.parent_id is None]
    assert fits.getheader(head.path)["PHXIMAGE"] == "ab" * 32
