"""A simulated UVES month through Airflow, as ``make demo`` runs it, looked at from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import psutil
import pytest
from astropy.io import fits
from astropy.table import QTable
from linetools.spectra.io import readspec

from oracles import Stilts
from phoenix.config.loader import Configuration
from phoenix.deployment.components import airflow_api
from phoenix.deployment.installation import Installation
from phoenix.simulation.truth import load_truth
from truth_uves import compare

pytestmark = [pytest.mark.engine, pytest.mark.airflow]

MONTH = "2019-03"
PHOENIX = [str(Path(sys.executable).with_name("phoenix"))]


@dataclass(frozen=True)
class Month:
    """The data root of the month, what the demo printed and how it ended."""

    root: Path
    output: str
    exit_code: int

    def phoenix(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PHOENIX, *arguments],
            env={**os.environ, "PHOENIX_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    root = tmp_path_factory.mktemp("month")
    environment = {**os.environ, "PHOENIX_ROOT": str(root)}
    demo = subprocess.run(
        [*PHOENIX, "demo", "--month", MONTH, "--nights", "3"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    yield Month(root, demo.stdout, demo.returncode)
    subprocess.run([sys.executable, "-m", "phoenix.deployment", "down"], env=environment, check=True)
    left = [
        process.cmdline()
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _root_of(process) == str(root)
    ]
    assert left == []


def _root_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PHOENIX_ROOT")
    except psutil.Error:
        return None


@pytest.fixture(scope="module")
def spectra(month: Month) -> list[Path]:
    """The ingested science spectra."""
    found = [
        path
        for path in sorted((month.root / "archive").rglob("ADP.*.fits"))
        if fits.getval(path, "PRODCATG") == "SCIENCE.SPECTRUM"
    ]
    assert found, month.output
    return found


def test_the_batch_is_done(month: Month) -> None:
    assert month.exit_code == 0, month.output
    report = json.loads(month.phoenix("batch", "status", "UVES_R3", MONTH, "--format", "json").stdout)
    assert report["state"] == "DONE"
    assert report["troubled"] == []
    assert report["problems"] == []
    science = sum(night["science_abs"] for night in report["nights"])
    excluded = [line["reason"] for line in report["excluded"]]
    assert len(report["nights"]) == 3
    assert report["idps_ingested"] == science - len(excluded) > 0
    assert excluded
    assert all(reason.startswith("ABORTED_TEMPLATE") for reason in excluded)


def test_every_task_of_the_run_has_a_readable_name(month: Month) -> None:
    installation = Installation(month.root, Configuration(root=month.root).folder)
    with airflow_api(installation) as api:
        (run,) = api.runs("phoenix_uves", MONTH)
        instances = api.task_instances("phoenix_uves", run.dag_run_id)
        assert api.import_errors() == []
    assert run.run_type == "backfill"
    science = [i for i in instances if i.task_id == "run_recipes.science"]
    assert science
    assert all((i.rendered_map_index or "").startswith("UVES.2019-03-0") for i in science)
    nights = {i.rendered_map_index for i in instances if i.task_id == "convert_idps.convert"}
    assert nights == {"2019-03-04", "2019-03-05", "2019-03-06"}


def test_night_without_flat_takes_the_flat_of_the_morning_before(month: Month) -> None:
    abs_ = json.loads(month.phoenix("ab", "list", "UVES_R3", MONTH, "--format", "json").stdout)
    assert not [ab for ab in abs_ if ab["night"] == "2019-03-06" and ab["task"] == "flat"]
    name = next(ab["AB"] for ab in abs_ if ab["night"] == "2019-03-06" and ab["task"] == "science")
    text = json.loads(month.phoenix("ab", "show", "UVES_R3", name, "--format", "json").stdout)["text"]
    (flat,) = [line.split()[2] for line in text.splitlines() if " MASTER_FLAT_BLUE " in line]
    assert flat.startswith("UVES.2019-03-06T10:")


def test_velocity_and_flux_of_the_ingested_spectra_agree_with_the_truth(
    month: Month, spectra: list[Path]
) -> None:
    truth = load_truth(month.root / "truth.json")
    velocity_errors: dict[str, list[float]] = {}
    for path in spectra:
        table = QTable.read(path, hdu=1)
        wave_nm = table["WAVE"][0].to_value(u.nm)
        flux = table["FLUX"][0].to_value(u.erg / u.s / u.cm**2 / u.AA)
        error = table["ERR"][0].to_value(u.erg / u.s / u.cm**2 / u.AA)
        found = compare(wave_nm, flux, error, truth.exposure(fits.getval(path, "PROV1")))
        arm = "BLUE" if wave_nm[0] < 450 else "RED"
        velocity_errors.setdefault(arm, []).append(found.mean_velocity_error_kms)
        assert len(found.velocity_errors_kms) >= 50, path
        assert found.flux_ratios.min() > 0.99, path
        assert found.flux_ratios.max() < 1.01, path
    assert set(velocity_errors) == {"BLUE", "RED"}
    for arm, errors in velocity_errors.items():
        assert abs(np.mean(errors)) < 0.05, arm


def test_linetools_reads_what_astropy_reads(spectra: list[Path]) -> None:
    for path in spectra[:2]:
        table = QTable.read(path, hdu=1)
        spectrum = readspec(str(path))
        good = spectrum.sig.value > 0
        ours = np.isin(table["WAVE"][0].to_value(u.AA), spectrum.wavelength.to_value(u.AA)[good])
        np.testing.assert_allclose(spectrum.flux.value[good], table["FLUX"][0].value[ours], rtol=1e-6)


def test_stilts_reads_what_astropy_reads(spectra: list[Path]) -> None:
    stilts = Stilts()
    for path in spectra[:2]:
        table = QTable.read(path, hdu=1)
        columns = stilts.columns(path)
        assert list(columns) == table.colnames
        assert columns["FLUX"]["Utype"] == "spec:Data.FluxAxis.Value"
        for name, row in columns.items():
            values = np.asarray(table[name][0])
            assert int(row["NGood"]) == fits.getval(path, "NELEM", ext=1) == len(values)
            np.testing.assert_allclose(float(row["Minimum"]), values.min(), rtol=1e-6)
            np.testing.assert_allclose(float(row["Maximum"]), values.max(), rtol=1e-6)


def test_fitsverify_and_our_checks_find_nothing(month: Month) -> None:
    files = [str(path) for path in sorted((month.root / "archive").rglob("ADP.*.fits"))]
    verified = subprocess.run(["fitsverify", "-q", *files], capture_output=True, text=True, check=False)
    lines = verified.stdout.splitlines()
    assert len(lines) == len(files)
    assert [line for line in lines if not line.startswith("verification OK")] == []
    assert month.phoenix("archive", "verify").returncode == 0


def test_running_the_batch_again_does_nothing_twice(month: Month) -> None:
    archive = sorted((month.root / "archive").rglob("ADP.*"))
    again = month.phoenix("batch", "run", "UVES_R3", MONTH, "--format", "json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["recipe_s"] == 0
    assert sorted((month.root / "archive").rglob("ADP.*")) == archive
