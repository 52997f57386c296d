"""QC of the OB stack of UVES: numbers, page with its exposures, what is told when they are gone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import qc_products as truth
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.score import QcResult, Verdict
from phoenix.qc.jobs import run_job
from qc_products import ProductFolder, ab_of, job_of, write_science

load("UVES", "qc")
_EXPOSURES = 3


@pytest.fixture
def folder(tmp_path: Path) -> ProductFolder:
    """A stack of three exposures, with the record of its run."""
    folder = ProductFolder(tmp_path / "stack")
    inputs = []
    names = ("RED", "ERRORBAR", "FLUXCAL")
    flux = []
    for number in range(_EXPOSURES):
        single = ProductFolder(tmp_path / f"single{number}", seed=number + 1)
        write_science(single, "BLUE")
        paths = {product.pro_catg: product.path for product in single.products}
        inputs += [(f"{name}_SCI_POINT_BLUE", paths[f"{name}_SCI_POINT_BLUE"]) for name in names]
        flux.append(truth.SIGNAL_ADU + single.random.normal(0, truth.ERROR_ADU, truth.PIXELS))
    axis = {"CRVAL1": truth.START_NM * 10, "CRPIX1": 1.0, "CDELT1": truth.STEP_NM * 10}
    qc = {
        "NCOMB": _EXPOSURES, "NRESAMP": 2, "LEVELDEV": 0.03, "REJECTED": 0.01, "LOST": 0.0,
        "SNR": truth.SIGNAL_ADU / truth.ERROR_ADU * np.sqrt(_EXPOSURES),
    }  # fmt: skip
    keywords = {f"ESO__QC__STACK__{name}": value for name, value in qc.items()}
    for number in range(1, _EXPOSURES + 1):
        keywords[f"ESO__QC__STACK__EXP{number}__LEVEL"] = 1 + 0.03 * (number - 2)
        keywords[f"ESO__QC__STACK__EXP{number}__SHIFT"] = 0.1 * (number - 1)
        keywords[f"ESO__QC__STACK__EXP{number}__NAME"] = f"UVES.{number}.fits"
    folder.write("STACK_RED_SCI_POINT_BLUE", np.mean(flux, axis=0), **axis, **keywords)
    error = np.full(truth.PIXELS, truth.ERROR_ADU / np.sqrt(_EXPOSURES))
    folder.write("STACK_ERRORBAR_SCI_POINT_BLUE", error, **axis)
    record = {"inputs": [{"tag": tag, "path": path} for tag, path in inputs], "products": []}
    (folder.folder / "verdict.json").write_text(json.dumps(record))
    return folder


def stacked(configuration: Configuration, folder: ProductFolder) -> QcResult:
    ab = replace(ab_of("science"), task="stack", recipe="phoenix_spectrum_combine")
    return run_job(job_of(configuration, folder, "stack", ab))


def test_numbers_of_a_stack(configuration: Configuration, folder: ProductFolder) -> None:
    result = stacked(configuration, folder)
    assert result.problems == ()
    found = {value.parameter: value.value for value in result.values}
    assert found["stack_snr_gain_BLUE"] == pytest.approx(1.0, abs=0.05)
    assert found["stack_deviation_BLUE"] == pytest.approx(3.0)
    assert found["stack_lost_BLUE"] == pytest.approx(1.0)
    assert found["stack_exposures_BLUE"] == _EXPOSURES
    assert {score.verdict for score in result.scores} == {Verdict.GREEN}
    assert [kind for kind, _ in result.reports] == ["stack"]


def test_the_same_stack_gives_the_same_page(configuration: Configuration, folder: ProductFolder) -> None:
    pages = [Path(path).read_bytes() for _ in range(2) for _, path in stacked(configuration, folder).reports]
    assert pages[0] == pages[1]


def test_without_its_exposures_a_stack_is_shown_alone_and_the_gain_is_grey(
    configuration: Configuration, folder: ProductFolder
) -> None:
    (folder.folder / "verdict.json").unlink()
    result = stacked(configuration, folder)
    assert [problem.subject for problem in result.problems] == ["stack_snr_gain_BLUE"]
    assert [kind for kind, _ in result.reports] == ["stack"]
