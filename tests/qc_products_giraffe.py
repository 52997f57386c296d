"""Small GIRAFFE products with a known truth, written as the recipes write theirs, with the run record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock, ProductInput
from phoenix.model.product import Product
from phoenix.qc.jobs import QcJob

BINS, START_NM, STEP_NM = 400, 450.0, 0.02
ROWS, COLUMNS, PRESCAN, PITCH = 60, 400, 20, 12
SKY_ADU, ERROR_ADU = 40.0, 20.0
#: Flux of a fibre of magnitude 15, ADU; each magnitude more is 2.512 times less.
FLUX_15_ADU = 4000.0
LINE_NM = 453.0


@dataclass(frozen=True)
class Scene:
    """What an exposure is of."""

    science: int = 12
    sky: int = 2
    mjd_obs: float = 58546.2
    arc_mjd_obs: float | None = 58546.6
    temperature: float | None = 11.0
    arc_temperature: float | None = 11.4
    saturated: tuple[tuple[int, int], ...] = ()
    lamp: bool = False
    dpr_type: str = "OBJECT,SKY"
    first_fps: int = 1
    field: str = "SIMFIELD"
    names: tuple[str, ...] = ()
    level: float = 1.0
    seed: int = 5


def magnitudes(scene: Scene) -> np.ndarray:
    """Return the magnitude of each science fibre."""
    return np.linspace(15.0, 17.0, scene.science)


def fluxes(scene: Scene) -> np.ndarray:
    """Return the flux of each science fibre, ADU per bin."""
    return scene.level * FLUX_15_ADU * 10 ** (-0.4 * (magnitudes(scene) - 15))


def write_exposure(folder: Path, scene: Scene) -> Path:
    """Write the products of an exposure, the raw frame and arc behind it; return the product folder."""
    products = folder / "products"
    products.mkdir(parents=True)
    header = _header(scene)
    table = _fibre_table(scene)
    count = scene.science + scene.sky
    rng = np.random.default_rng(scene.seed)
    wave = START_NM + STEP_NM * np.arange(BINS)
    line = 1 - 0.6 * np.exp(-0.5 * ((wave - LINE_NM) / 0.1) ** 2)
    flux = np.full((count, BINS), SKY_ADU)
    flux[: scene.science] = fluxes(scene)[:, np.newaxis] * line
    flux += rng.normal(0, ERROR_ADU, flux.shape)
    traces = np.tile(PITCH * (np.arange(count) + 1.0), (ROWS, 1))
    _write(products / "spectra.fits", "SCIENCE_RBNSPECTRA", header, flux.T, table)
    _write(products / "errors.fits", "SCIENCE_RBNERRORS", header, np.full_like(flux.T, ERROR_ADU), table)
    _write(products / "traces.fits", "SCIENCE_EXTTRACES", header, traces, table)
    for number in range(scene.science):
        _write(products / f"spectrum_{number:03d}.fits", "SCIENCE_RBNSPEC_IDP", header, None, None)
    raw, arc = folder / "raw.fits", folder / "arc.fits"
    _write_raw(raw, scene)
    arc_header = fits.Header({"MJD-OBS": scene.arc_mjd_obs} if scene.arc_mjd_obs is not None else {})
    if scene.arc_temperature is not None:
        arc_header["HIERARCH ESO INS TEMP1 VAL"] = scene.arc_temperature
    fits.PrimaryHDU(header=arc_header).writeto(arc)
    write_record(products, [("SCIENCE", raw), ("DISPERSION_SOLUTION", arc)])
    return products


def write_stack(folder: Path, exposures: list[Path], scene: Scene, **keywords: float) -> Path:
    """Write the stacks of the fibres of exposures; keywords are those of QC STACK that are not as usual."""
    folder.mkdir(parents=True)
    wave = START_NM + STEP_NM * np.arange(BINS)
    rng = np.random.default_rng(scene.seed)
    qc = {"NCOMB": len(exposures), "LEVELDEV": 0.02, "REJECTED": 0.01, "LOST": 0.0, **keywords}
    for number, level in enumerate(fluxes(scene)):
        header = _header(scene)
        header["FPS"] = scene.first_fps + number
        header["OBJECT"] = f"STAR{number}"
        for name, value in qc.items():
            header[f"HIERARCH ESO QC STACK {name}"] = value
        for place in range(1, len(exposures) + 1):
            header[f"HIERARCH ESO QC STACK EXP{place} NAME"] = f"GIRAF.{place}.fits"
            header[f"HIERARCH ESO QC STACK EXP{place} LEVEL"] = 1.0 + 0.02 * (-1) ** place
        error = np.full(BINS, ERROR_ADU / np.sqrt(len(exposures)))
        flux = level + rng.normal(0, error[0], BINS)
        rows = fits.BinTableHDU.from_columns(
            [
                fits.Column(name, f"{BINS}D", array=values[np.newaxis])
                for name, values in (("WAVE", wave), ("FLUX_REDUCED", flux), ("ERR_REDUCED", error))
            ]
        )
        header["HIERARCH ESO PRO CATG"] = "STACK_SCIENCE_RBNSPEC_IDP"
        fits.HDUList([fits.PrimaryHDU(header=header), rows]).writeto(folder / f"stack_{number:03d}.fits")
    spectra = [path for exposure in exposures for path in sorted(exposure.glob("spectrum_*.fits"))]
    write_record(folder, [("SCIENCE_RBNSPEC_IDP", path) for path in spectra])
    return folder


def write_record(folder: Path, inputs: list[tuple[str, Path]]) -> None:
    """Write the record of a run beside its products."""
    record = {
        "inputs": [{"path": str(path), "tag": tag, "name": path.name, "sha256": ""} for tag, path in inputs],
        "products": [
            {
                "name": Path(p.path).name,
                "pro_catg": p.pro_catg,
                "size_bytes": p.size_bytes,
                "sha256": p.sha256,
            }
            for p in products_in(folder)
        ],
    }
    (folder / "verdict.json").write_text(json.dumps(record))


def products_in(folder: Path) -> tuple[Product, ...]:
    """Return the products in a folder."""
    return tuple(
        Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, f"{number:064d}")
        for number, path in enumerate(sorted(folder.glob("*.fits")))
    )


def job_of(configuration: Configuration, task: str, folder: Path) -> QcJob:
    """Return the QC job of a product folder."""
    qc = configuration.qc("GIRAFFE")
    inputs = (ProductInput("single.ab", "SCIENCE_RBNSPEC_IDP"),) if task == "stack" else ()
    ab = AssociationBlock(
        name="GIRAF.2019-03-04T04:48:00.000.ab",
        release="GIRAF_STACK",
        instrument="GIRAFFE",
        date="2019-03-03",
        task=task,
        recipe="giscience",
        raw_type="SCIENCE",
        dpr_catg="SCIENCE",
        batch_id="2019-03",
        mjd_obs=58546.2,
        mjd_obs_mod=58546.2,
        raws=(),
        inputs=inputs,
    )
    return QcJob(
        ab=ab,
        products=products_in(folder),
        qc=qc.tasks[task],
        threshold_version=qc.version,
        words={},
        report_folder=str(folder / "reports"),
    )


def without_report(job: QcJob) -> QcJob:
    """Return a job that only measures."""
    return replace(job, qc=job.qc.model_copy(update={"report": None}))


def _header(scene: Scene) -> fits.Header:
    header = fits.Header()
    words = {
        "INSTRUME": "GIRAFFE", "OBJECT": scene.field, "DATE-OBS": "2019-03-04T04:48:00.000",
        "EXPTIME": 1200.0, "MJD-OBS": scene.mjd_obs, "CRPIX1": 1.0, "CRVAL1": 1.0, "CDELT1": 1.0,
        "CRPIX2": 1.0, "CRVAL2": START_NM, "CDELT2": STEP_NM,
    }  # fmt: skip
    header.update(words)
    eso = {
        "OBS ID": 200001, "OBS NAME": "SIM_OB", "INS SLIT NAME": "Medusa1", "INS EXP MODE": "L479.7",
        "TEL AIRM START": 1.1, "DPR TYPE": scene.dpr_type, "INS LAMP4 ST": scene.lamp,
        "DET OUT1 PRSCX": PRESCAN, "PRO REC1 PIPE ID": "giraf/2.16.10",
    }  # fmt: skip
    if scene.temperature is not None:
        eso["INS TEMP1 VAL"] = scene.temperature
    for name, value in eso.items():
        header[f"HIERARCH ESO {name}"] = value
    return header


def _fibre_table(scene: Scene) -> fits.BinTableHDU:
    count = scene.science + scene.sky
    number = np.arange(count)
    names = [scene.names[n] if n < len(scene.names) else f"STAR{n}" for n in number]
    columns = {
        "FPS": ("J", scene.first_fps + number), "RP": ("J", 1 + number),
        "Retractor": ("20A", [f"Medusa1 {n}" for n in number]), "OBJECT": ("40A", names),
        "TYPE": ("1A", ["M" if n < scene.science else "S" for n in number]),
        "RA": ("D", 150 + 0.02 * np.cos(2.4 * number) * np.sqrt(number)),
        "DEC": ("D", -30 + 0.02 * np.sin(2.4 * number) * np.sqrt(number)),
        "MAGNITUDE": ("D", np.append(magnitudes(scene), np.zeros(scene.sky))),
        "GCORR": ("D", np.zeros(count)), "HCORR": ("D", np.full(count, -12.0)),
    }  # fmt: skip
    return fits.BinTableHDU.from_columns(
        [fits.Column(name, form, array=values) for name, (form, values) in columns.items()],
        name="FIBER_SETUP",
    )


def _write(
    path: Path, catg: str, header: fits.Header, image: np.ndarray | None, table: fits.BinTableHDU | None
) -> None:
    primary = fits.PrimaryHDU(None if image is None else image.astype(np.float32), header=header.copy())
    primary.header["HIERARCH ESO PRO CATG"] = catg
    fits.HDUList([primary, *([table.copy()] if table is not None else [])]).writeto(path)


def _write_raw(path: Path, scene: Scene) -> None:
    image = np.full((ROWS, COLUMNS), 200, dtype=np.uint16)
    for row, column in scene.saturated:
        image[row, column] = 65535
    fits.PrimaryHDU(image).writeto(path)
