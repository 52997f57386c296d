"""Small UVES products with a known truth, written as the recipes write theirs: one chip or two, all tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.chain.qc_jobs import words_of_rules
from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock, RawFile
from phoenix.model.product import Product
from phoenix.qc.jobs import QcJob

#: What the synthetic products are made of; tests compare with these.
BIAS_ADU, BIAS_NOISE_ADU = 150.0, 1.1
FLAT_ADU, FLAT_SNR = 200.0, 120.0
SIGNAL_ADU, ERROR_ADU = 1500.0, 30.0
RESPONSE_SCATTER_PERCENT = 1.5
FWHM_PIX, OFFSET_PIX, BINNING, PIXSCALE_ARCSEC = 2.6, 0.3, 2, 0.25
ORDERS, PIXELS, ORDER_SNR = 6, 700, 60.0
COSMICS = 17
LINE_NM, START_NM, STEP_NM = 401.0, 400.0, 0.003

_HEADER = {
    "INSTRUME": "UVES",
    "OBJECT": "SIMSTAR",
    "DATE-OBS": "2019-03-04T02:00:00.000",
    "MJD-OBS": 58546.08,
    "EXPTIME": 600.0,
    "ESO OBS ID": 100001,
    "ESO OBS NAME": "SIM_OB",
    "ESO INS PATH": "BLUE",
    "ESO INS GRAT1 WLEN": 437.0,
    "ESO INS SLIT2 WID": 1.0,
    "ESO INS PIXSCALE": PIXSCALE_ARCSEC,
    "ESO DET WIN1 BINX": BINNING,
    "ESO DET WIN1 BINY": BINNING,
    "ESO DET READ SPEED": "225kHz,2x2,low",
    "ESO TEL AIRM START": 1.15,
    "ESO PRO DATANCOM": 5,
    "ESO PRO REC1 PIPE ID": "uves/6.1.8",
}
RECIPES = {
    "bias": "uves_cal_mbias",
    "format_check": "uves_cal_predict",
    "order_position": "uves_cal_orderpos",
    "flat": "uves_cal_mflat",
    "wavelength": "uves_cal_wavecal",
    "response": "uves_cal_response",
    "science": "uves_obs_scired",
}
Content = np.ndarray | list[fits.BinTableHDU] | None


class ProductFolder:
    """Writes products of one AB into a folder.

    Parameters
    ----------
    folder : Path
        An empty folder.
    seed : int
        Of the noise.
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.random = np.random.default_rng(seed)
        self.products: list[Product] = []

    def write(self, pro_catg: str, content: Content = None, **keywords: object) -> Path:
        """Write one product; keywords are header names with ``__`` for a blank: ``ESO__QC__EX__NORD``."""
        image = content if isinstance(content, np.ndarray) else None
        primary = fits.PrimaryHDU(None if image is None else image.astype(np.float32))
        own = {name.replace("__", " "): value for name, value in keywords.items()}
        for name, value in {**_HEADER, "ESO PRO CATG": pro_catg, **own}.items():
            primary.header[f"HIERARCH {name}" if name.startswith("ESO ") else name] = value
        path = self.folder / f"{pro_catg.lower()}.fits"
        tables = content if isinstance(content, list) else []
        fits.HDUList([primary, *tables]).writeto(path, overwrite=True)
        self.products = [product for product in self.products if product.pro_catg != pro_catg]
        self.products.append(Product(str(path), pro_catg, path.stat().st_size, f"{len(self.products):064d}"))
        return path


def table(**columns: np.ndarray) -> fits.BinTableHDU:
    """Return a binary table of float or integer columns."""
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(
                name, "J" if np.issubdtype(np.asarray(values).dtype, np.integer) else "D", array=values
            )
            for name, values in columns.items()
        ]
    )


def write_bias(to: ProductFolder, chip: str) -> None:
    image = to.random.normal(BIAS_ADU, BIAS_NOISE_ADU, (60, 90))
    output = "OUT4" if chip == "REDL" else "OUT1"
    qc = {"RON__RAW": 1.98, "RON__MASTER": 1.09, "STRUCTX": 0.034, "STRUCTY": 0.028}
    to.write(f"MASTER_BIAS_{chip}", image, **{f"ESO__QC__{output}__{name}": v for name, v in qc.items()})


def write_format_check(to: ProductFolder, chip: str) -> None:
    x, y = to.random.uniform(1, 1000, 80), to.random.uniform(1, 700, 80)
    shifts = {f"{axis}DIF": to.random.normal(0.01, 0.1, 80) for axis in "XY"}
    shifts["XDIF"][:5] = np.nan  # lines that were not found
    names = {
        "NLINALL": 320,
        "NLINSEL": 304,
        "DIFFXMED": 0.01,
        "DIFFYMED": -0.02,
        "DIFFXRMS": 0.1,
        "DIFFYRMS": 0.2,
    }
    keywords = {f"ESO__QC__MODEL__{name}": value for name, value in names.items()}
    keywords |= {"ESO__QC__WLENMIN": 374.0, "ESO__QC__WLENMAX": 499.0}
    to.write(f"LINE_GUESS_TAB_{chip}", [table(X=x, YNEW=y, **shifts)], **keywords)


def write_order_position(to: ProductFolder, chip: str) -> None:
    order = np.repeat(np.arange(1, ORDERS + 1), 20)
    x = np.tile(np.linspace(10, 690, 20), ORDERS)
    fit = 40.0 * order + 0.02 * x
    residual = to.random.normal(0, 0.008, len(x))
    names = {"NPRED": 31, "NDET": 31, "RESIDRMS": 0.008, "RESIDMIN": -0.03, "RESIDMAX": 0.03, "NPOSSEL": 3400}
    keywords = {f"ESO__QC__ORD__{name}": value for name, value in names.items()}
    rows = table(Order=order, X=x, Y=fit + residual, Yfit=fit, Residual=residual)
    to.write(f"ORDER_TABLE_{chip}", [rows], **keywords)


def write_flat(to: ProductFolder, chip: str) -> None:
    y, x = np.mgrid[0:120, 0:200]
    lit = ((y - 0.05 * x) % 20) < 10
    level = np.where(lit, FLAT_ADU * (1 - ((x - 100) / 400.0) ** 2), 0.0)
    image = level * (1 + to.random.normal(0, 1 / FLAT_SNR, level.shape))
    to.write(f"MASTER_FLAT_{chip}", image, ESO__FNOISE=0.06)


def write_wavelength(to: ProductFolder, chip: str) -> None:
    order = np.repeat(np.arange(94, 94 + ORDERS), 25)
    columns = {
        "Order": order,
        "NLinSol": np.ones(len(order), dtype=int),
        "Ident": np.linspace(3750.0, 4980.0, len(order)),
        "Residual_pix": to.random.normal(0, 0.03, len(order)),
        "Resol": to.random.normal(40000.0, 900.0, len(order)),
    }
    names = {
        "LINE__RESIDRMS__PIX": 0.03, "LINE__RESIDRMS__SPEED": 90.0, "LINE__RESIDRMS__WLU": 0.001,
        "NLINTOT": 1100, "NLINSOL": 640, "LINE__IDCHI2": 0.4, "LINE__HALFBRIG": 62.0, "FWHMMED": 2.4,
        "RESOLMED": 40000.0, "RESOLRMS": 2400.0, "ORDMIN": 94, "ORDMAX": 124, "WLENMIN": 374.3,
        "WLENMAX": 498.9,
    }  # fmt: skip
    windows = [table(**columns) for _ in range(4)]  # the recipe's solution is in extension 4
    to.write(f"LINE_TABLE_{chip}", windows, **{f"ESO__QC__{name}": value for name, value in names.items()})


def write_response(to: ProductFolder, chip: str) -> None:
    wave = np.linspace(4000.0, 4020.0, PIXELS)
    smooth = np.linspace(1.2e-16, 1.0e-16, PIXELS)
    raw = smooth * (1 + to.random.normal(0, RESPONSE_SCATTER_PERCENT / 100, PIXELS))
    extensions = [
        table(wavelength=wave, response_smo=smooth),
        table(wavelength=wave, response_raw=raw),
        table(wavelength=wave[::100], response_fit_pts=smooth[::100]),
    ]
    to.write(f"INSTR_RESPONSE_FINE_{chip}", extensions)
    blaze = {f"ESO__QC__BLAZEFF{n}": 0.10 + 0.002 * n for n in range(1, ORDERS + 1)}
    to.write(f"EFFICIENCY_TABLE_{chip}", [table(Wave=wave, Eff=np.full(PIXELS, 0.1))], **blaze)
    to.write(f"RED_STD_{chip}", np.full(PIXELS, SIGNAL_ADU), **_extraction())
    _write_order_quality(to, chip)


def write_science(to: ProductFolder, chip: str, *, fluxed: bool = True, start_nm: float = START_NM) -> None:
    wave_nm = start_nm + STEP_NM * np.arange(PIXELS)
    line = 1 - 0.7 * np.exp(-0.5 * ((wave_nm - start_nm - (LINE_NM - START_NM)) / 0.02) ** 2)
    flux = SIGNAL_ADU * line + to.random.normal(0, ERROR_ADU, PIXELS)
    flux[:20] = 0  # the recipe fills the ends with zeros
    axis = {"CRVAL1": start_nm * 10, "CRPIX1": 1.0, "CDELT1": STEP_NM * 10}
    to.write(f"RED_SCI_POINT_{chip}", flux, **axis, **_extraction())
    to.write(f"ERRORBAR_SCI_POINT_{chip}", np.full(PIXELS, ERROR_ADU), **axis)
    if fluxed:
        to.write(f"FLUXCAL_SCI_POINT_{chip}", flux * 1e-17, **axis)
    edges = np.linspace(start_nm * 10, wave_nm[-1] * 10, ORDERS + 1)
    waves = {f"WSTART{n + 1}": edges[n] for n in range(ORDERS)} | {
        f"WEND{n + 1}": edges[n + 1] for n in range(ORDERS)
    }
    to.write(f"WCALIB_FF_SCI_POINT_{chip}", np.full((ORDERS, 50), ORDER_SNR), **waves)
    to.write(f"ERRORBAR_WCALIB_FF_SCI_POINT_{chip}", np.ones((ORDERS, 50)))
    to.write(f"MERGED_SKY_{chip}", np.full(PIXELS, 60.0))
    number = np.arange(COSMICS)
    to.write(f"CRMASK_{chip}", [table(Order=number, X=number, Y=number, Flux=number * 1.0)])
    _write_order_quality(to, chip)


def _extraction() -> dict[str, object]:
    return {"ESO__QC__EX__NORD": 31, "ESO__QC__EX__YSIZE": 14, "ESO__QC__VRAD__BARYCOR": -17.2}


def _write_order_quality(to: ProductFolder, chip: str) -> None:
    each = np.ones(ORDERS)
    ripple = np.where(np.arange(ORDERS) % 2, 0.4, -1.0)
    rows = table(
        Order=np.arange(1, ORDERS + 1),
        ObjSnBlzCentre=ORDER_SNR * each,
        Ripple=ripple,
        ObjPosOnSlit=(7.5 + OFFSET_PIX) * each,
        ObjFwhmAvg=FWHM_PIX * each,
    )
    to.write(f"ORDER_EXTRACT_QC_{chip}", [rows])


WRITERS: dict[str, Callable[[ProductFolder, str], None]] = {
    "bias": write_bias,
    "format_check": write_format_check,
    "order_position": write_order_position,
    "flat": write_flat,
    "wavelength": write_wavelength,
    "response": write_response,
    "science": write_science,
}


def write_raw(path: Path, saturated: int = 0) -> Path:
    """Write a raw frame with that many saturated pixels."""
    image = np.full((20, 30), 150, dtype=np.uint16)
    image.flat[:saturated] = 65535
    fits.PrimaryHDU(image).writeto(path, overwrite=True)
    return path


def ab_of(task: str, *, name: str = "", raws: tuple[Path, ...] = (), wlen: str = "437") -> AssociationBlock:
    """Return an AB of a task, as it is after its recipe ran."""
    return AssociationBlock(
        name=name or f"UVES.2019-03-04T02:00:00.000_{task}.ab",
        release="UVES_R3",
        instrument="UVES",
        date="2019-03-03",
        task=task,
        recipe=RECIPES[task],
        raw_type=task.upper(),
        dpr_catg="CALIB",
        batch_id="2019-03",
        mjd_obs=58546.08,
        mjd_obs_mod=58546.08,
        raws=tuple(RawFile(str(raw), "RAW") for raw in raws),
        match_keys=(("wlen", wlen), ("slit_width", "1.0")),
    )


def job_of(
    configuration: Configuration, folder: ProductFolder, task: str, ab: AssociationBlock | None = None
) -> QcJob:
    """Return the QC job of the products in a folder."""
    qc = configuration.qc("UVES")
    return QcJob(
        ab=ab or ab_of(task),
        products=tuple(folder.products),
        qc=qc.tasks[task],
        threshold_version=qc.version,
        words=words_of_rules(configuration.rules("UVES")),
        report_folder=str(folder.folder / "reports"),
    )
