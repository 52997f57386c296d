"""Products of the XSHOOTER science recipes for tests, from known numbers.

Headers and layout are those xshoo 3.5.0 writes, the bins few.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_ab import science_ab
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.model.ab import AssociationBlock, RawFile
from phoenix.model.product import Product

MJD_OBS = 59277.30034722
START = "2021-03-04T07:12:30.000"
EXPTIME_S, DIT_S, NDIT, STEP_S = 600.0, 300.0, 2, 640.0
OB = 302550123
TARGET = "HD 1'2"
SLITS = {"UVB": "1.0x11", "VIS": "0.9x11", "NIR": "0.9x11"}
_WHEELS = {"UVB": "OPTI3", "VIS": "OPTI4", "NIR": "OPTI5"}
#: First wavelength and step, nm; bins; unusable bins at the two ends; steps along the slit.
GRIDS = {"UVB": (298.9, 0.02), "VIS": (533.66, 0.02), "NIR": (994.0, 0.06)}
BINS, LOW, HIGH, ROWS = 900, 12, 25, 41
FLAGGED = slice(400, 404)
#: Bluest first, as the recipe writes them; the step along the slit, arcsec; FWHM of the object, steps.
ORDERS = (30, 29, 28)
SLIT_STEP, FWHM_STEPS, CENTRE_ROW = 0.16, 4.0, 20
COSMIC = 16
CONFIG = {
    "resolving_power": {"UVB": {1.0: 4300}, "VIS": {0.9: 7400, 5.0: 3200}, "NIR": {0.9: 5400}},
    "total_flux_arcsec": 5.0,
    "origin": "test",
}


def arcfile(number: int = 0) -> str:
    """Archive name of an exposure; the first is that of ``START``."""
    seconds = 12 * 60 + 30 + number * STEP_S
    return f"XSHOO.2021-03-04T07:{int(seconds // 60):02d}:{seconds % 60:06.3f}.fits"


def wave_nm(arm: str) -> np.ndarray:
    """Wavelengths of the bins."""
    start, step = GRIDS[arm]
    return start + step * np.arange(BINS)


def counts(arm: str) -> np.ndarray:
    """The spectrum, ADU, with an absorption line every 2 nm."""
    wave = wave_nm(arm)
    return 900 + 2 * (wave - wave[0]) - 300 * np.exp(-0.5 * ((wave % 2 - 1) / 0.08) ** 2)


def response(arm: str) -> np.ndarray:
    """erg/s/cm2/Angstrom for one ADU."""
    return 1e-18 * (1 + (wave_nm(arm) - GRIDS[arm][0]) / 100)


@dataclass
class Slit:
    """One reduced AB in a folder.

    Attributes
    ----------
    kind
        SCI, or TELL for a telluric standard.
    table
        Whether the recipe wrote its table in SDP format.
    skies
        Exposures on the sky, beside those on target.
    """

    folder: Path
    arm: str = "VIS"
    technique: str = "STARE"
    exposures: int = 1
    skies: int = 0
    kind: str = "SCI"
    table: bool = True
    raw_cards: dict[str, object] = field(default_factory=dict)
    target: str = TARGET

    def write(self) -> Slit:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(self.raws):
            self._write_raw(number, path)
        flux, error, quality = self.flux, self.error, self.quality
        unit = "erg/s/cm2/Angstrom"
        self._write_spectrum("FLUX_MERGE1D", flux, error, quality, unit)
        self._write_spectrum("MERGE1D", flux / response(self.arm), error / response(self.arm), quality, "ADU")
        profile = np.exp(-4 * np.log(2) * ((np.arange(ROWS) - CENTRE_ROW) / FWHM_STEPS) ** 2)[:, None] / 4.26
        flags = np.repeat(quality[None, :], ROWS, axis=0)
        self._write_spectrum("FLUX_MERGE2D", flux * profile, error * profile, flags, unit)
        self._write_orders()
        if self.table:
            self._write_table()
        return self

    @property
    def lit(self) -> np.ndarray:
        """Bins the orders reach."""
        lit = np.zeros(BINS, bool)
        lit[LOW : BINS - HIGH] = True
        return lit

    @property
    def flux(self) -> np.ndarray:
        return np.where(self.lit, counts(self.arm) * response(self.arm), 0.0)

    @property
    def error(self) -> np.ndarray:
        return np.where(self.lit, np.sqrt(counts(self.arm)) * response(self.arm), 0.0)

    @property
    def quality(self) -> np.ndarray:
        quality = np.where(self.lit, 0, 1 << 19)
        quality[FLAGGED] = COSMIC
        return quality

    @property
    def raws(self) -> list[Path]:
        return [self.folder / f"raw{number}.fits" for number in range(self.exposures + self.skies)]

    @property
    def sources(self) -> dict[str, Path]:
        return {arcfile(number): path for number, path in enumerate(self.raws)}

    def _write_raw(self, number: int, path: Path) -> None:
        sky = number >= self.exposures
        standard = self.kind == "TELL"
        cards: dict[str, object] = {
            "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U2", "INSTRUME": "XSHOOTER", "OBJECT": self.target,
            "RA": 153.101, "DEC": -27.801, "EQUINOX": 2000.0, "RADECSYS": "FK5",
            "EXPTIME": DIT_S if self.arm == "NIR" else EXPTIME_S,
            "MJD-OBS": MJD_OBS + number * STEP_S / 86400, "DATE-OBS": START, "UTC": 25950.0,
            "ARCFILE": arcfile(number),
            "ESO DPR CATG": "CALIB" if standard else "SCIENCE",
            "ESO DPR TYPE": "SKY" if sky else "STD,TELLURIC" if standard else "OBJECT",
            "ESO DPR TECH": f"ECHELLE,SLIT,{self.technique}", "ESO SEQ ARM": self.arm,
            "ESO OBS ID": OB, "ESO OBS PROG ID": "0106.A-0023(B)", "ESO OBS TARG NAME": self.target,
            "ESO TPL NEXP": self.exposures + self.skies,
            "ESO TEL TARG ALPHA": 101224.0, "ESO TEL TARG DELTA": -274800.0, "ESO TEL TARG EQUINOX": 2000.0,
            **{f"ESO INS {wheel} NAME": SLITS[arm] for arm, wheel in _WHEELS.items()},
            "PHX SIMULATED": True,
        }  # fmt: skip
        if self.arm == "NIR":
            cards |= {"ESO DET DIT": DIT_S, "ESO DET NDIT": NDIT}
        else:
            cards |= {"ESO DET WIN1 BINX": 1, "ESO DET WIN1 BINY": 2}
        header = fits.Header()
        for keyword, value in (cards | self.raw_cards).items():
            if value is not None:
                header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
        fits.PrimaryHDU(header=header).writeto(path, overwrite=True)

    def path(self, pro_catg: str) -> Path:
        return self.folder / f"{pro_catg}.fits"

    def _cards(self, pro_catg: str) -> dict[str, object]:
        cards: dict[str, object] = {
            "INSTRUME": "XSHOOTER", "OBJECT": self.target, "ARCFILE": arcfile(), "EXPTIME": EXPTIME_S,
            "HIERARCH ESO PRO CATG": pro_catg, "HIERARCH ESO PRO REC1 ID": "xsh_scired_slit_stare",
            "HIERARCH ESO PRO REC1 PIPE ID": "xshoo/3.5.0", "HIERARCH ESO PRO DATANCOM": self.exposures,
            "HIERARCH ESO QC VRAD BARYCOR": 1.35, "HIERARCH ESO QC VRAD HELICOR": 1.34,
            "HIERARCH ESO QC NPIXSAT": 0.0, "HIERARCH ESO PRO TECH": f"ECHELLE,SLIT,{self.technique}",
            "HIERARCH ESO DET OUT1 CONAD": 1.68, "HIERARCH ESO DET OUT1 RON": 3.1,
            **{f"HIERARCH ESO INS {wheel} NAME": SLITS[arm] for arm, wheel in _WHEELS.items()},
        }  # fmt: skip
        if "FLUX_MERGE" not in pro_catg:
            cards |= {"HIERARCH ESO QC FLUX SN": 32.1}
        return cards

    def _write_spectrum(
        self, name: str, flux: np.ndarray, error: np.ndarray, quality: np.ndarray, unit: str
    ) -> None:
        pro_catg = f"{self.kind}_SLIT_{name}_{self.arm}"
        start, step = GRIDS[self.arm]
        axes: dict[str, object] = {"CRPIX1": 1.0, "CRVAL1": start, "CDELT1": step, "CTYPE1": "LINEAR"}
        if flux.ndim == 2:
            axes |= {"CRPIX2": 1.0, "CRVAL2": -5.3, "CDELT2": 0.16, "CTYPE2": "LINEAR",
                     "CD1_1": float(np.float32(step)), "CD2_2": float(np.float32(0.16))}  # fmt: skip
        else:
            axes["CUNIT1"] = "nm"
        primary = fits.PrimaryHDU(flux.astype("f4"))
        primary.header.update({**self._cards(pro_catg), **axes, "BUNIT": unit, "EXTNAME": "FLUX"})
        errors, flags = fits.ImageHDU(error.astype("f4")), fits.ImageHDU(quality.astype("i4"))
        errors.header.update({**axes, "BUNIT": unit, "EXTNAME": "ERRS"})
        flags.header.update({**axes, "EXTNAME": "QUAL"})
        fits.HDUList([primary, errors, flags]).writeto(self.path(pro_catg), overwrite=True)

    def _write_orders(self) -> None:
        """The spectrum before merging: the orders share the bins evenly, the reddest is the lowest number."""
        catg = f"{self.kind}_SLIT_ORDER1D_{self.arm}"
        start, step = GRIDS[self.arm]
        hdus = fits.HDUList()
        for order, part in zip(ORDERS, np.array_split(np.arange(BINS), len(ORDERS)), strict=True):
            flux, error = (values[part] / response(self.arm)[part] for values in (self.flux, self.error))
            for name, values in (("FLUX", flux), ("ERRS", error), ("QUAL", self.quality[part])):
                data = values.astype("i4" if name == "QUAL" else "f4")
                hdu = fits.ImageHDU(data) if hdus else fits.PrimaryHDU(data)
                hdu.header.update({"CRPIX1": 1.0, "CRVAL1": start + step * part[0], "CDELT1": step})
                hdu.header["EXTNAME"] = f"ORD{order}_{name}"
                hdus.append(hdu)
        hdus[0].header.update(self._cards(catg))
        hdus.writeto(self.path(catg), overwrite=True)

    def _write_table(self) -> None:
        """The recipe's own table: under one name for science and standards, columns in double precision."""
        pro_catg = f"SCI_SLIT_FLUX_IDP_{self.arm}"
        flux, error = (values.astype("f4").astype(float) for values in (self.flux, self.error))
        reduced, reduced_error = (
            (values / response(self.arm)).astype("f4").astype(float) for values in (self.flux, self.error)
        )
        with np.errstate(invalid="ignore"):
            snr = flux / error
        columns = {"WAVE": wave_nm(self.arm), "FLUX": flux, "ERR": error, "QUAL": self.quality, "SNR": snr,
                   "FLUX_REDUCED": reduced, "ERR_REDUCED": reduced_error}  # fmt: skip
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column(name, f"{BINS}{'J' if name == 'QUAL' else 'D'}", array=[values])
                for name, values in columns.items()
            ],
            name="SPECTRUM",
        )
        primary = fits.PrimaryHDU()
        primary.header.update({**self._cards(pro_catg), "PRODCATG": "SCIENCE.SPECTRUM", "LAMNLIN": 310})
        fits.HDUList([primary, table]).writeto(self.path(pro_catg), overwrite=True)

    @property
    def products(self) -> list[Product]:
        return [
            Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, "")
            for path in sorted(self.folder.glob("*_SLIT_*.fits"))
        ]

    @property
    def ab(self) -> AssociationBlock:
        return science_ab(
            name=f"XSHOOTER.{START}.ab", release="XSHOOT_R2", instrument="XSHOOTER", date="2021-03-03",
            recipe="xsh_scired_slit_stare", raw_type=f"OBJECT_SLIT_STARE_{self.arm}",
            raws=tuple(RawFile(str(path), "OBJECT_SLIT_STARE") for path in self.raws), mcalibs=(),
        )  # fmt: skip

    def job(self, folder: Path, **changes: object) -> ConversionJob:
        """A conversion of it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        report = self.folder / "report.png"
        report.write_bytes(b"\x89PNG picture")
        content: dict[str, object] = {
            "ab": self.ab, "products": self.products, "raws": self.raws, "folder": folder, "prefix": "XS",
            "provenance": Provenance("phoenix-xshooter", "sha256:" + "ab" * 32, "xshoo/3.5.0", "0.1.0"),
            "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "reports": [report],
            "readme": "the AB\n", "config": CONFIG,
        }  # fmt: skip
        return ConversionJob(**(content | changes))  # type: ignore[arg-type]
