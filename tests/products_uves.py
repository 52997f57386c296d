"""Products of uves_obs_scired for tests: what the recipe writes, from numbers that are known exactly."""

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

MJD_OBS = 58547.12784349
EXPTIME_S = 600.0
AIRMASS = 1.6
ARCFILE = "UVES.2019-03-05T03:04:05.678.fits"
STEM = "UV_SFLX_200123_2019-03-05T03:04:05.678_BLUE437_2x2_10"
CONFIG = {
    "resolution": {
        "BLUE": {"slit_product_arcsec": 41400, "at_most": 80000},
        "RED": {"slit_product_arcsec": 38700, "at_most": 110000},
    },
    "slicer_width_arcsec": {"SLIC#2": 0.44},
    "origin": "test",
}
#: First wavelength and step of each chip, Angstrom; pixels; padding at the two ends; pixels without response.
GRIDS = {
    "BLUE": (3732.0, 0.5, 900, (20, 30), 15),
    "REDL": (4763.5, 0.55, 800, (12, 40), 10),
    "REDU": (5217.7, 0.65, 700, (9, 21), 12),
}


def counts(wave: np.ndarray) -> np.ndarray:
    """The spectrum, ADU, with one absorption line a 100 Angstrom."""
    return 900 + 0.1 * (wave - 4000) - 400 * np.exp(-0.5 * ((wave % 100 - 50) / 3) ** 2)


def response(wave: np.ndarray) -> np.ndarray:
    """erg/cm2/s/Angstrom for one ADU, without extinction."""
    return 1e-17 * (1 + (wave - 4500) / 4000)


def extinction(wave: np.ndarray) -> np.ndarray:
    """Factor by which the atmosphere dims: 10**(0.4 X k)."""
    return 10 ** (0.4 * AIRMASS * 0.25 * (wave / 4500) ** -3.5)


@dataclass
class Science:
    """One reduced exposure in a folder.

    Attributes
    ----------
    scaled
        Whether FLUXCAL is in 1e-16 erg/cm2/s/Angstrom, the other form the pipeline writes.
    """

    folder: Path
    arm: str = "BLUE"
    fluxed: bool = True
    scaled: bool = False
    raw_cards: dict[str, object] = field(default_factory=dict)
    target: str = "HD 1'2"

    @property
    def chips(self) -> tuple[str, ...]:
        return ("BLUE",) if self.arm == "BLUE" else ("REDL", "REDU")

    def write(self) -> Science:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_raw()
        for chip in self.chips:
            self.write_chip(chip)
        return self

    @property
    def raw(self) -> Path:
        return self.folder / "raw.fits"

    def write_raw(self) -> None:
        header = fits.Header()
        slit, grating, wlen = ("SLIT2", "GRAT1", 437.0) if self.arm == "BLUE" else ("SLIT3", "GRAT2", 580.0)
        cards: dict[str, object] = {
            "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U2", "INSTRUME": "UVES", "OBJECT": self.target,
            "RA": 83.001, "DEC": -30.001, "EQUINOX": 2000.0, "RADESYS": "FK5", "EXPTIME": EXPTIME_S,
            "MJD-OBS": MJD_OBS, "DATE-OBS": "2019-03-05T03:04:05.678", "UTC": 11045.678, "BUNIT": "ADU",
            "CDELT1": 2.0, "CRVAL1": 1.0, "ARCFILE": ARCFILE,
            "ESO DPR CATG": "SCIENCE", "ESO DPR TYPE": "OBJECT,POINT", "ESO DPR TECH": "ECHELLE",
            "ESO OBS ID": 200123, "ESO OBS PROG ID": "099.A-0023(B)", "ESO OBS TARG NAME": self.target,
            "ESO INS MODE": self.arm, "ESO INS PATH": self.arm, "ESO INS SLIT1 NAME": "FREE",
            f"ESO INS {grating} NAME": "CD#2", f"ESO INS {grating} WLEN": wlen, f"ESO INS {slit} WID": 1.0,
            "ESO DET WIN1 BINX": 2, "ESO DET WIN1 BINY": 2,
            "ESO TEL TARG ALPHA": 53200.0, "ESO TEL TARG DELTA": -300000.0, "ESO TEL TARG EQUINOX": 2000.0,
            "PHX SIMULATED": True,
        }  # fmt: skip
        for keyword, value in (cards | self.raw_cards).items():
            if value is not None:
                header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
        fits.PrimaryHDU(header=header).writeto(self.raw, overwrite=True)

    def wave(self, chip: str) -> np.ndarray:
        start, step, pixels, _, _ = GRIDS[chip]
        return start + np.arange(pixels) * step

    def write_chip(self, chip: str) -> None:
        wave = self.wave(chip)
        _, _, pixels, (low, high), unknown = GRIDS[chip]
        lit = np.zeros(pixels, bool)
        lit[low : pixels - high] = True
        known = np.zeros(pixels, bool)
        known[low + unknown : pixels - high - unknown] = True
        reduced, error = np.where(lit, counts(wave), 0.0), np.where(lit, np.sqrt(counts(wave)), 1.0)
        scale = response(wave) * (1e16 if self.scaled else 1)
        self._image(f"RED_SCI_POINT_{chip}", chip, reduced)
        self._image(f"ERRORBAR_SCI_POINT_{chip}", chip, error)
        self._image(f"MERGED_SKY_{chip}", chip, np.where(lit, 5.0, 0.0))
        if self.fluxed:
            unit = "10^-16 erg/cm^2/Angstrom/s" if self.scaled else "erg/cm^2/Angstrom/s"
            flux = np.where(known, reduced * scale * extinction(wave), 0.0)
            self._image(f"FLUXCAL_SCI_POINT_{chip}", chip, flux, unit)
            # As uves 6.1.8 writes it: without the extinction.
            self._image(f"FLUXCAL_ERRORBAR_SCI_POINT_{chip}", chip, np.where(known, error * scale, 0.0), unit)
        orders = np.arange(60.0, dtype="f4").reshape(3, 20)
        self._image(f"WCALIB_FF_SCI_POINT_{chip}", chip, orders)
        self._image(f"ERRORBAR_WCALIB_FF_SCI_POINT_{chip}", chip, np.sqrt(orders))

    def _image(self, pro_catg: str, chip: str, data: np.ndarray, unit: str = "ADU") -> None:
        start, step, _, _, _ = GRIDS[chip]
        header = fits.Header()
        cards: dict[str, object] = {
            "CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": start, "CRPIX1": 1.0, "CDELT1": step,
            "CD1_1": step, "BUNIT": unit, "LAMRMS": 0.003 if chip == "REDU" else 0.002,
            "LAMNLIN": 300 if chip == "REDU" else 600, "CSYER1": 2e-4, "EXPTIME": EXPTIME_S,
            "ARCFILE": self.raw_cards.get("ARCFILE", ARCFILE),
            "MJD-OBS": self.raw_cards.get("MJD-OBS", MJD_OBS),
            "HIERARCH ESO PRO CATG": pro_catg, "HIERARCH ESO PRO REC1 ID": "uves_obs_scired",
            "HIERARCH ESO PRO REC1 PIPE ID": "uves/6.1.8", "HIERARCH ESO QC VRAD BARYCOR": -17.17,
            "HIERARCH ESO QC EX NORD": 31 if chip == "BLUE" else 22 if chip == "REDL" else 15,
            "HIERARCH ESO DET OUT1 CONAD": 1.84, "HIERARCH ESO DET OUT1 RON": 3.6,
        }  # fmt: skip
        if data.ndim == 2:
            cards |= {"WSTART1": start, "WEND1": start + 20 * step, "CDELT2": 1.0, "CD2_2": 1.0}
        header.update(cards)
        path = self.folder / f"{pro_catg.lower()}.fits"
        fits.PrimaryHDU(data.astype("f4"), header).writeto(path, overwrite=True)

    @property
    def products(self) -> list[Product]:
        return [
            Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, "")
            for path in sorted(self.folder.glob("*.fits"))
            if path != self.raw
        ]

    @property
    def ab(self) -> AssociationBlock:
        return science_ab(raws=(RawFile(str(self.raw), f"SCI_POINT_{self.arm}"),))

    def job(self, folder: Path, **changes: object) -> ConversionJob:
        """A conversion of it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        report = self.folder / "report.png"
        report.write_bytes(b"\x89PNG picture")
        content: dict[str, object] = {
            "ab": self.ab, "products": self.products, "raws": [self.raw], "folder": folder, "prefix": "UV",
            "provenance": Provenance("phoenix-uves", "sha256:" + "ab" * 32, "uves/6.1.8", "0.1.0"),
            "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "reports": [report],
            "readme": "the AB\n", "config": CONFIG,
        }  # fmt: skip
        return ConversionJob(**(content | changes))  # type: ignore[arg-type]
