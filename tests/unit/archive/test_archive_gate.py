from pathlib import Path

import pytest

from archive_files import sha256, write_spectrum
from phoenix.archive.gate import judge
from phoenix.config.release import Ingestion
from phoenix.model.product import IngestState
from phoenix.store.archive import Candidate
from phoenix.store.tables import IdpRow


def candidate(
    tmp_path: Path, *names: str, pipeline: str = "uves/6.1.8", reds: tuple[str, ...] = ()
) -> Candidate:
    path = write_spectrum(tmp_path / "UV_SFLX.fits", names, pipeline)
    head = IdpRow(origfile=path.name, path=str(path), sha256=sha256(path), findings=[])
    made = [IdpRow(origfile=name, path="", sha256="", findings=[]) for name in ("b.fits", "c.png")]
    return Candidate((head, *made), reds)


def test_a_good_dataset_may_enter(tmp_path: Path) -> None:
    judgement = judge(candidate(tmp_path, "b.fits", "c.png"), Ingestion())
    assert (judgement.state, judgement.reason) == (IngestState.PENDING, "")
    assert judgement.named == {"b.fits", "c.png"}


def test_only_what_the_science_product_names_goes_with_it(tmp_path: Path) -> None:
    assert judge(candidate(tmp_path, "c.png"), Ingestion()).named == {"c.png"}


@pytest.mark.parametrize("pipeline", ["kmos stand-in/1.0", "Stand-In"])
def test_products_of_a_stand_in_are_rejected(tmp_path: Path, pipeline: str) -> None:
    judgement = judge(candidate(tmp_path, pipeline=pipeline), Ingestion())
    assert judgement.state is IngestState.REJECTED
    assert pipeline in judgement.reason
    assert judgement.named == {"b.fits", "c.png"}


def test_findings_of_any_file_reject_the_dataset(tmp_path: Path) -> None:
    dataset = candidate(tmp_path, "b.fits")
    dataset.files[1].findings = ["ALL-14: wrong md5"]
    judgement = judge(dataset, Ingestion(gate="manual"))
    assert judgement.state is IngestState.REJECTED
    assert "b.fits" in judgement.reason
    assert "ALL-14" in judgement.reason


def test_an_ancillary_file_that_was_not_made_rejects_the_dataset(tmp_path: Path) -> None:
    judgement = judge(candidate(tmp_path, "lost.fits"), Ingestion())
    assert judgement.state is IngestState.REJECTED
    assert "lost.fits" in judgement.reason


def test_a_science_product_must_be_readable_fits(tmp_path: Path) -> None:
    dataset = candidate(tmp_path)
    Path(dataset.head.path).write_text("no FITS")
    assert judge(dataset, Ingestion()).state is IngestState.REJECTED
    Path(dataset.head.path).unlink()
    judgement = judge(dataset, Ingestion())
    assert judgement.state is IngestState.REJECTED
    assert dataset.head.path in judgement.reason
    dataset.head.origfile = "a.txt"
    assert "no FITS" in judge(dataset, Ingestion()).reason


def test_red_scores_hold_only_where_the_release_says_so(tmp_path: Path) -> None:
    dataset = candidate(tmp_path, reds=("SNR",))
    assert judge(dataset, Ingestion()).state is IngestState.PENDING
    judgement = judge(dataset, Ingestion(stop_on_red=True))
    assert (judgement.state, judgement.reason) == (IngestState.HELD, "red scores: SNR")


def test_a_manual_gate_holds(tmp_path: Path) -> None:
    assert judge(candidate(tmp_path), Ingestion(gate="manual")).state is IngestState.HELD
