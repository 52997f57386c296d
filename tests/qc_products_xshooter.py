"""Small XSHOOTER calibrations with a known truth, written as the recipes write theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.chain.qc_jobs import words_of_rules
from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock
from phoenix.model.product import Product
from phoenix.qc.jobs import QcJob
from products_xshooter import Slit

BIAS_ADU, BIAS_NOISE_ADU = 1000.0, 1.3
FLAT_LEVEL, FLAT_SNR = 1.2, 150.0
ORDERS = {"UVB": range(13, 25), "VIS": range(16, 31), "NIR": range(11, 27)}
LINES_PER_ORDER, PINHOLES, SHIFT_PIX, FWHM_PIX = 12, 9, 0.02, 2.8
DISPERSION_NM = 0.08
FIRST_NM = 550.0
RESPONSE, RESPONSE_SCATTER_PERCENT, UNFITTED_NM, EFFICIENCY = 8e-17, 0.7, 6.0, 0.11

_HEADER = {
    "INSTRUME": "XSHOOTER", "DATE-OBS": "2021-03-04T12:00:00.000", "MJD-OBS": 59277.5, "EXPTIME": 10.0,
    "ESO INS OPTI3 NAME": "1.0x11", "ESO INS OPTI4 NAME": "0.9x11", "ESO INS OPTI5 NAME": "0.9x11",
    "ESO DET WIN1 BINX": 1, "ESO DET WIN1 BINY": 1, "ESO DET READ CLOCK": "400k/1pt/hg",
    "ESO PRO DATANCOM": 5, "ESO PRO REC1 PIPE ID": "xshoo/3.5.0",
}  # fmt: skip


class ProductFolder:
    """Writes products of one AB into a folder."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.random = np.random.default_rng(seed)
        self.products: list[Product] = []

    def write(self, pro_catg: str, content: np.ndarray | list[fits.BinTableHDU], **qc: float) -> Path:
        """Write one product; keywords are QC keywords with ``__`` for a blank: ``ORD__EDGE__NDET``."""
        image = content.astype("f4") if isinstance(content, np.ndarray) else None
        primary = fits.PrimaryHDU(image)
        keywords = {f"ESO QC {name.replace('__', ' ')}": value for name, value in qc.items()}
        for name, value in {**_HEADER, "ESO PRO CATG": pro_catg, **keywords}.items():
            primary.header[f"HIERARCH {name}" if name.startswith("ESO ") else name] = value
        path = self.folder / f"{pro_catg}.fits"
        fits.HDUList([primary, *(content if isinstance(content, list) else [])]).writeto(path, overwrite=True)
        self.products = [product for product in self.products if product.pro_catg != pro_catg]
        self.products.append(Product(str(path), pro_catg, path.stat().st_size, f"{len(self.products):064d}"))
        return path


def table(**columns: np.ndarray) -> fits.BinTableHDU:
    """Return a binary table of float or integer columns."""
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(name, "J" if np.issubdtype(values.dtype, np.integer) else "D", array=values)
            for name, values in columns.items()
        ]
    )


def write_bias(to: ProductFolder, arm: str) -> None:
    image = to.random.normal(BIAS_ADU, BIAS_NOISE_ADU, (60, 90))
    to.write(
        f"MASTER_BIAS_{arm}", image, MBIASMED=BIAS_ADU, MBIASRMS=1.3, RON1=1.9, RON__MASTER=1.3,
        STRUCTX1=0.07, STRUCTY1=0.05,
    )  # fmt: skip


def write_dark(to: ProductFolder, arm: str) -> None:
    image = to.random.normal(12.0, 2.0, (60, 90))
    image[3, 4:6] = 5000.0
    to.write(f"MASTER_DARK_{arm}", image, MDARKMED=12.0, MDARKRMS=2.0)


def write_format_check(to: ProductFolder, arm: str) -> None:
    to.write(f"ORDER_TAB_GUESS_{arm}", [table(ORDER=np.arange(3))])
    lines = [arc_lines(to, arm, pinholes=1)]
    to.write(f"FMTCHK_RESID_TAB_LINES_GFIT_{arm}", lines, NLINE__CAT=200.0, NLINE__FOUND__CLEAN=180.0)


def arc_lines(to: ProductFolder, arm: str, pinholes: int = PINHOLES, fit: str = "poly") -> fits.BinTableHDU:
    """Return a residual table: lines of each order at each pinhole, shifted by noise along the dispersion."""
    orders = ORDERS[arm]
    order = np.repeat(np.array(orders), LINES_PER_ORDER * pinholes)
    line = np.tile(np.repeat(np.arange(LINES_PER_ORDER), pinholes), len(orders))
    y = 50.0 + 40 * line
    nan = np.full(order.size, np.nan)
    shift = to.random.normal(0, SHIFT_PIX, order.size)
    other = "model" if fit == "poly" else "poly"
    return table(
        Wavelength=FIRST_NM + 60 * (order - orders[0]) + DISPERSION_NM * y,
        Order=order,
        Slit_index=np.tile(np.arange(pinholes), len(orders) * LINES_PER_ORDER),
        XGauss=40.0 * order, YGauss=y,
        FwhmYGauss=np.full(order.size, FWHM_PIX),
        **{f"ResidX{fit}": shift / 2, f"ResidY{fit}": shift, f"ResidX{other}": nan, f"ResidY{other}": nan},
    )  # fmt: skip


def write_order_position(to: ProductFolder, arm: str) -> None:
    order = np.repeat(np.array(ORDERS[arm]), 20)
    y = np.tile(np.linspace(10, 690, 20), len(ORDERS[arm]))
    residual = to.random.normal(0, 0.006, order.size)
    to.write(
        f"ORDER_TAB_CENTR_{arm}", [table(ORDER=np.array(ORDERS[arm]))],
        ORD__ORDERPOS__NDET=len(ORDERS[arm]), ORD__ORDERPOS__NPRED=len(ORDERS[arm]),
        ORD__ORDERPOS__RESIDRMS=0.006, ORD__ORDERPOS__RESIDMIN=-0.02, ORD__ORDERPOS__RESIDMAX=0.02,
    )  # fmt: skip
    rows = table(Order=order, X=40.0 * order + 0.02 * y + residual, Y=y, RESX=residual)
    to.write(f"ORDERPOS_RESID_TAB_{arm}", [rows])


def write_flat(to: ProductFolder, arm: str) -> None:
    y, x = np.mgrid[0:200, 0:120]
    lit = ((x - 0.05 * y) % 20) < 10
    level = np.where(lit, FLAT_LEVEL * (1 - ((y - 100) / 400.0) ** 2), 0.0)
    image = level * (1 + to.random.normal(0, 1 / FLAT_SNR, level.shape))
    to.write(f"MASTER_FLAT_SLIT_{arm}", image, FLUX__MIN=1600.0, FLUX__MAX=21000.0, NPIXSAT__TOT=0.0)
    rows = [table(ORDER=np.array(ORDERS[arm]))]
    to.write(f"ORDER_TAB_EDGES_SLIT_{arm}", rows, ORD__EDGE__NDET=len(ORDERS[arm]))


def write_wavelength(to: ProductFolder, arm: str, fit: str = "poly") -> None:
    to.write(f"DISP_TAB_{arm}", [table(ORDER=np.array(ORDERS[arm]))])
    to.write(f"WAVE_RESID_TAB_LINES_{arm}", [arc_lines(to, arm, fit=fit)])


def response_table(to: ProductFolder, unfitted_nm: float = UNFITTED_NM) -> fits.BinTableHDU:
    """Return a response that runs to 0 over its first so many nm."""
    wave = np.linspace(550.0, 650.0, 5001)
    ratio = RESPONSE * (1 + to.random.normal(0, RESPONSE_SCATTER_PERCENT / 100, wave.size))
    curve = RESPONSE * np.minimum((wave - wave[0]) / unfitted_nm, 1.0) if unfitted_nm else RESPONSE
    return table(LAMBDA=wave, RESPONSE=curve + 0 * wave, REF_DIV_OBS=ratio)


def write_response(to: ProductFolder, arm: str) -> None:
    to.write(f"RESPONSE_MERGE1D_SLIT_{arm}", [response_table(to)])
    wave = np.linspace(550.0, 650.0, 501)
    order = np.repeat(np.arange(3), 167)
    to.write(f"EFFICIENCY_SLIT_{arm}", [table(ORDER=order, WAVELENGTH=wave, EFF=np.full(501, EFFICIENCY))])
    star = Slit(to.folder, arm, kind="FLUX", table=False).write()
    to.products += [product for product in star.products if product.pro_catg.startswith("FLUX_")]


WRITERS: dict[str, Callable[[ProductFolder, str], None]] = {
    "bias": write_bias,
    "dark": write_dark,
    "format_check": write_format_check,
    "order_position": write_order_position,
    "flat": write_flat,
    "wavelength": write_wavelength,
    "response": write_response,
}


def ab_of(task: str, arm: str) -> AssociationBlock:
    """Return an AB of a task, as it is after its recipe ran."""
    return replace(Slit(Path(), arm).ab, task=task, match_keys=(("arm", arm),))


def job_of(
    configuration: Configuration,
    products: list[Product],
    folder: Path,
    task: str,
    ab: AssociationBlock,
    *,
    page: bool = False,
) -> QcJob:
    """Return the QC job of products; a page goes into the folder when it is asked for."""
    qc = configuration.qc("XSHOOTER")
    return QcJob(
        ab=ab,
        products=tuple(products),
        qc=qc.tasks[task] if page else qc.tasks[task].model_copy(update={"report": None}),
        threshold_version=qc.version,
        words=words_of_rules(configuration.rules("XSHOOTER")),
        report_folder=str(folder / "reports"),
    )
