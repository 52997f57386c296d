"""Small MUSE products with a known truth, written as the recipes write theirs, with run records and logs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock
from phoenix.model.product import Product
from phoenix.qc.jobs import QcJob

PLANES, ROWS, COLUMNS, PIXEL_ARCSEC = 120, 60, 70, 0.2
FIRST_A, STEP_A = 6500.0, 1.25
#: Scatter of a spaxel in a plane, 1e-20 erg/s/cm2/A; at the sky line it is so many times larger.
NOISE, LINE_FACTOR, LINE = 40.0, 3.0, slice(50, 56)
SIGMA_PX = 1.8
FWHM_ARCSEC = 2.3548 * SIGMA_PX * PIXEL_ARCSEC
#: Column, row (from 0) and peak of the stars, the brightest first.
STARS = ((45.3, 20.0, 4000.0), (20.0, 40.6, 1500.0), (55.0, 45.0, 600.0), (12.0, 12.0, 300.0))
FLUX = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"


@dataclass(frozen=True)
class Scene:
    """What an exposure is of and what its recipes told; None leaves a thing out."""

    mjd_obs: float = 59278.0
    arc_mjd_obs: float | None = 59278.5
    dpr_type: str = "OBJECT"
    twilight: bool = True
    dedicated_sky: bool = True
    saturated: tuple[int, ...] | None = (0, 0)
    shifts: tuple[float, ...] | None = (0.1, -0.1)
    sources: int | None = 4
    background: float = 0.0
    residual: float = 0.0
    log: str | None = "[ INFO  ] muse_scipost: all well with the sky\n"
    name: str = "FIELD"
    template: str | None = "2021-03-05T00:00:00"
    unit: str = FLUX
    stars: tuple[tuple[float, float, float], ...] = STARS
    basic: bool = True
    seed: int = 3


def write_exposure(folder: Path, scene: Scene) -> Path:
    """Write the products of basic reduction and cube of an exposure; return the folder of the cube."""
    basic, post = folder / "basic", folder / "post"
    basic.mkdir(parents=True)
    post.mkdir()
    calibrations = [("MASTER_BIAS", folder / "MASTER_BIAS.fits")]
    if scene.arc_mjd_obs is not None:
        arc = folder / "WAVECAL_TABLE.fits"
        fits.PrimaryHDU(header=fits.Header({"MJD-OBS": scene.arc_mjd_obs})).writeto(arc)
        calibrations.append(("WAVECAL_TABLE", arc))
    if scene.twilight:
        calibrations.append(("TWILIGHT_CUBE", folder / "TWILIGHT_CUBE.fits"))
    tables = []
    for unit in range(2):
        header = _header(scene, "PIXTABLE_OBJECT")
        header["HIERARCH ESO DPR TYPE"] = scene.dpr_type
        if scene.saturated is not None:
            header["HIERARCH ESO QC SCIBASIC NSATURATED"] = scene.saturated[unit]
        if scene.shifts is not None:
            header["HIERARCH ESO QC SCIBASIC LAMBDA SHIFT"] = scene.shifts[unit]
        tables.append(basic / f"PIXTABLE_OBJECT_0001-{unit + 1:02d}.fits")
        fits.PrimaryHDU(header=header).writeto(tables[-1])
    if scene.basic:
        write_record(basic, calibrations)
    fits.PrimaryHDU(header=_header(scene, "PIXTABLE_REDUCED")).writeto(post / "PIXTABLE_REDUCED_0001.fits")
    write_cube(post / "DATACUBE_FINAL.fits", scene, "SCIPOST")
    if scene.log is not None:
        (post / "recipe.log").write_text(scene.log)
    sky = [("SKY_CONTINUUM", folder / "SKY_CONTINUUM.fits")] if scene.dedicated_sky else []
    write_record(post, [*(("PIXTABLE_OBJECT", table) for table in tables), *sky])
    return post


def write_combination(
    folder: Path,
    exposures: list[Path],
    scene: Scene,
    offset_deg: float | None = 1e-5,
    unmatched: int | None = 0,
) -> Path:
    """Write a combined cube and the list of offsets it was made with; None applies none."""
    folder.mkdir(parents=True)
    inputs = [("PIXTABLE_REDUCED", exposure / "PIXTABLE_REDUCED_0001.fits") for exposure in exposures]
    extra = {}
    if offset_deg is not None:
        inputs.append(("OFFSET_LIST", write_alignment(folder.parent / "align", offset_deg, unmatched)))
        for number in range(1, len(exposures) + 1):
            extra[f"DRS MUSE OFFSET{number} DRA"] = offset_deg * (number - 1)
            extra[f"DRS MUSE OFFSET{number} DDEC"] = 0.0
            extra[f"DRS MUSE OFFSET{number} DATE-OBS"] = f"2021-03-05T0{number}:00:00.000"
    write_cube(folder / "DATACUBE_FINAL.fits", scene, "EXPCOMB", extra)
    write_record(folder, inputs)
    return folder


def write_alignment(folder: Path, offset_deg: float, unmatched: int | None) -> Path:
    """Write a list of the offsets of two exposures."""
    folder.mkdir(parents=True, exist_ok=True)
    header = _header(Scene(), "OFFSET_LIST")
    qc = {"NDET1": 9, "NDET2": 8, "NMATCH1": 7, "NMATCH2": 7, "NMATCH MIN": 7, "OFFSET RA STDEV": 0.02,
          "OFFSET DEC STDEV": 0.0}  # fmt: skip
    if unmatched is not None:
        qc["NOMATCH"] = unmatched
    for name, value in qc.items():
        header[f"HIERARCH ESO QC EXPALIGN {name}"] = value
    columns = [
        fits.Column("DATE_OBS", "23A", array=["2021-03-05T01:00:00.000", "2021-03-05T02:00:00.000"]),
        fits.Column("RA_OFFSET", "D", array=np.array([0.0, offset_deg])),
        fits.Column("DEC_OFFSET", "D", array=np.zeros(2)),
    ]
    path = folder / "OFFSET_LIST.fits"
    fits.HDUList([fits.PrimaryHDU(header=header), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def write_cube(path: Path, scene: Scene, recipe: str, extra: dict[str, object] | None = None) -> None:
    """Write a cube of stars on an empty sky with one sky line, whose residual is ``scene.residual``."""
    rng = np.random.default_rng(scene.seed)
    rows, columns = np.indices((ROWS, COLUMNS))
    field = np.full((ROWS, COLUMNS), scene.background)
    for column, row, peak in scene.stars:
        field += peak * np.exp(-0.5 * ((columns - column) ** 2 + (rows - row) ** 2) / SIGMA_PX**2)
    sigma = np.full(PLANES, NOISE)
    sigma[LINE] *= LINE_FACTOR
    data = field + rng.normal(0, 1, (PLANES, ROWS, COLUMNS)) * sigma[:, np.newaxis, np.newaxis]
    data[LINE] += scene.residual
    data[:, :, 0] = np.nan
    stat = np.broadcast_to((sigma**2)[:, np.newaxis, np.newaxis], data.shape)
    header = _header(scene, "DATACUBE_FINAL")
    header["ABMAGLIM"] = 23.5
    if scene.sources is not None:
        header[f"HIERARCH ESO QC {recipe} NDET"] = scene.sources
    header[f"HIERARCH ESO QC {recipe} FWHM MEDIAN"] = FWHM_ARCSEC
    for name, value in (extra or {}).items():
        header[f"HIERARCH ESO {name}"] = value
    world = fits.Header({
        "CRVAL3": FIRST_A, "CRPIX3": 1.0, "CD3_3": STEP_A, "CUNIT3": "angstrom", "BUNIT": scene.unit,
        "CD1_1": -PIXEL_ARCSEC / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": PIXEL_ARCSEC / 3600,
    })  # fmt: skip
    images = [
        fits.ImageHDU(part.astype(np.float32), world, name) for name, part in (("DATA", data), ("STAT", stat))
    ]
    fits.HDUList([fits.PrimaryHDU(header=header), *images]).writeto(path)


def write_masters(folder: Path, units: int = 24, level: float = 1000.0) -> Path:
    """Write a master bias of some units, as one file with an extension for each."""
    folder.mkdir(parents=True)
    images = []
    for unit in range(1, units + 1):
        header = fits.Header()
        for quadrant in range(1, 5):
            header[f"HIERARCH ESO QC BIAS MASTER{quadrant} RON"] = 2.8 + 0.01 * unit
            header[f"HIERARCH ESO QC BIAS LEVEL{quadrant} MEDIAN"] = level
            header[f"HIERARCH ESO QC BIAS MASTER{quadrant} SLOPE X"] = -1e-5 * unit
        header["HIERARCH ESO QC BIAS MASTER NBADPIX"] = unit
        images.append(fits.ImageHDU(np.zeros((2, 2), np.float32), header, f"CHAN{unit:02d}.DATA"))
    primary = fits.PrimaryHDU(header=_header(Scene(), "MASTER_BIAS"))
    fits.HDUList([primary, *images]).writeto(folder / "MASTER_BIAS.fits")
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
    qc = configuration.qc("MUSE")
    ab = AssociationBlock(
        name="MUSE.2021-03-05T01:00:00.000.ab",
        release="MUSE_R",
        instrument="MUSE",
        date="2021-03-04",
        task=task,
        recipe="muse_scipost",
        raw_type="OBJECT",
        dpr_catg="SCIENCE",
        batch_id="2021-03-04",
        mjd_obs=59278.0,
        mjd_obs_mod=59278.0,
        raws=(),
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


def _header(scene: Scene, catg: str) -> fits.Header:
    header = fits.Header({
        "INSTRUME": "MUSE", "OBJECT": scene.name, "DATE-OBS": "2021-03-05T01:00:00.000", "EXPTIME": 600.0,
        "MJD-OBS": scene.mjd_obs, "DEC": -60.0,
    })  # fmt: skip
    eso = {"OBS ID": 200001, "OBS NAME": "SIM_OB", "INS MODE": "WFM-NOAO-N", "PRO REC1 PIPE ID": "muse/2.8.7",
           "PRO CATG": catg}  # fmt: skip
    if scene.template is not None:
        eso["TPL START"] = scene.template
    for name, value in eso.items():
        header[f"HIERARCH ESO {name}"] = value
    return header
