"""Products of hawki_science_process and hawki_science_postprocess for tests, from known numbers.

Headers are those hawki 2.4.11 writes, the pixels few: four detectors with gaps between them, or one tile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_ab import science_ab
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.model.product import Product

MJD_OBS = 59278.08793502
DIT_S, NDIT = 10.0, 6
STEP_S = 71.0
OB = 302550004
STEM = f"{OB}_2021-03-05T02:06:37.586_Ks"
PIXEL_DEG = 0.106 / 3600
RA_DEG, DEC_DEG = 129.0842, -48.7489
#: Size of a detector and of the tile, pixels; X and Y of CRPIX of each detector.
COLUMNS, ROWS, TILE = 60, 50, 140
CENTRES = {"CHIP1.INT1": (75, 65), "CHIP2.INT1": (-15, 65), "CHIP4.INT1": (75, -15), "CHIP3.INT1": (-15, -15)}
SKY, NOISE, WCS_RMS, HALF_RADIUS, SOURCES = 3000.0, 5.0, 0.0277, 3.0, 24
#: Zero points in one and two core radii by detector; MAGZPT and MAGZPT TEL of all.
ZERO_1 = {"1": 21.93, "2": 21.56, "3": 21.55, "4": 21.70}
ZERO_2 = 21.485
MAGZPT, MAGZPT_TEL = 21.6166, 23.562


def arcfile(number: int) -> str:
    """Archive name of an exposure; the first is that of ``STEM``."""
    milliseconds = 6 * 60_000 + 37_586 + round(number * STEP_S * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"HAWKI.2021-03-05T02:{minutes:02d}:{rest / 1000:06.3f}.fits"


@dataclass
class Imaged:
    """The pawprint of an OB in a folder, and its tile.

    Attributes
    ----------
    primary_cards, image_cards
        Changes of the headers of image and source list: of the primary, and beside the pixels; None removes.
    raw_cards
        Changes of the header of single raw frames, by their number.
    """

    folder: Path
    exposures: int = 3
    primary_cards: dict[str, object] = field(default_factory=dict)
    image_cards: dict[str, object] = field(default_factory=dict)
    raw_cards: dict[int, dict[str, object]] = field(default_factory=dict)

    def write(self) -> Imaged:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(self.raws):
            _write(path, [_with(fits.PrimaryHDU(), _raw_cards(number) | self.raw_cards.get(number, {}))])
        for kind in _PAWPRINT:
            self._write_pawprint(kind)
        for kind in _TILE:
            self._write_tile(kind)
        return self

    @property
    def raws(self) -> list[Path]:
        return [self.folder / f"raw{number}.fits" for number in range(self.exposures)]

    @property
    def sources(self) -> dict[str, Path]:
        return {arcfile(number): path for number, path in enumerate(self.raws)}

    def pawprint_job(self, folder: Path, **changes: object) -> ConversionJob:
        """The conversion of the pawprint."""
        return self._job(folder, _PAWPRINT, **({"raws": self.raws} | changes))

    def tile_job(self, folder: Path, **changes: object) -> ConversionJob:
        """The conversion of the tile, with the pawprint behind it."""
        single = self.pawprint_job(folder, readme="the pawprint\n")
        return self._job(folder, _TILE, **({"singles": [single]} | changes))

    def products(self, kinds: dict[str, str]) -> list[Product]:
        paths = {catg: self.folder / name for catg, name in kinds.items()}
        return [Product(str(path), catg, path.stat().st_size, "") for catg, path in paths.items()]

    def _job(self, folder: Path, kinds: dict[str, str], **changes: object) -> ConversionJob:
        folder.mkdir(parents=True, exist_ok=True)
        report = self.folder / "report.png"
        report.write_bytes(b"\x89PNG picture")
        content: dict[str, object] = {
            "ab": science_ab(release="HAWKI_R", instrument="HAWKI", raws=(), mcalibs=(), parameters=()),
            "products": self.products(kinds), "raws": [], "folder": folder, "prefix": "HA",
            "reports": [report], "readme": "the AB\n",
            "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "provenance": Provenance("phoenix-hawki", "sha256:" + "ab" * 32, "hawki/2.4.11", "0.1.0"),
        }  # fmt: skip
        return ConversionJob(**(content | changes))  # type: ignore[arg-type]

    def _write_pawprint(self, catg: str) -> None:
        image = catg == "JITTERED_IMAGE_SCI"
        cards = _product_cards(catg) | (self.primary_cards if image or "OBJECT" in catg else {})
        hdus = [_with(fits.PrimaryHDU(), cards)]
        for number, (name, centre) in enumerate(CENTRES.items()):
            sky = _sky_cards(*centre)
            quality = _quality_cards(name[4]) | (self.image_cards if image or "OBJECT" in catg else {})
            if "OBJECT" in catg:
                hdus.append(_with(_table(number), {"EXTNAME": name} | _of_table(quality)))
            else:
                pixels = _pixels(catg, ROWS, COLUMNS, number)
                hdus.append(_with(fits.ImageHDU(pixels), {"EXTNAME": name} | sky | quality))
        _write(self.folder / _PAWPRINT[catg], hdus)

    def _write_tile(self, catg: str) -> None:
        """The recipe guesses the size of stars from the seeing monitor."""
        cards = _product_cards(catg) | self.primary_cards
        quality = _quality_cards("1") | {"PSF_FWHM": (0.2592, "spatial res. computed from DIMM seeing")}
        quality |= self.image_cards
        if "OBJECT" in catg:
            table = _with(_table(0), {"EXTNAME": "CHIP1.INT1"} | _of_table(quality))
            hdus = [_with(fits.PrimaryHDU(), cards), table]
        else:
            sky = _sky_cards(70.5, 70.5)
            hdu = fits.PrimaryHDU(_pixels(catg, TILE, TILE, 9))
            hdus = [_with(hdu, {"EXTNAME": "CHIP1.INT1"} | sky | cards | quality)]
        _write(self.folder / _TILE[catg], hdus)


_PAWPRINT = {
    "JITTERED_IMAGE_SCI": "stack_1.fits", "CONFIDENCE_MAP_JITTERED": "stack_conf_1.fits",
    "JITTERED_VAR_IMAGE": "stack_var_1.fits", "OBJECT_CATALOGUE_JITTERED": "stack_cat_1.fits",
}  # fmt: skip
_TILE = {
    "TILED_IMAGE": "tile_1.fits", "TILED_CONFIDENCE_MAP": "tile_conf_1.fits",
    "TILED_VAR_MAP": "tile_var_1.fits", "TILED_OBJECT_CATALOGUE": "tile_cat_1.fits",
}  # fmt: skip
PAWPRINT_PRODUCTS, TILE_PRODUCTS = _PAWPRINT, _TILE


def _raw_cards(number: int) -> dict[str, object]:
    return {
        "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U4", "INSTRUME": "HAWKI", "OBJECT": "FIELD",
        "RA": RA_DEG, "DEC": DEC_DEG, "EQUINOX": 2000.0, "RADESYS": "FK5", "EXPTIME": DIT_S,
        "MJD-OBS": MJD_OBS + number * STEP_S / 86400, "ARCFILE": arcfile(number),
        "DATE-OBS": arcfile(number)[6:29],
        "ESO DPR CATG": "SCIENCE", "ESO DPR TYPE": "OBJECT", "ESO DPR TECH": "IMAGE", "ESO OBS ID": OB,
        "ESO OBS PROG ID": "60.A-9999(S)", "ESO OBS TARG NAME": "PHX 17", "ESO DET DIT": DIT_S,
        "ESO DET NDIT": NDIT, "ESO INS FILT1 NAME": "Ks", "ESO INS FILT2 NAME": "OPEN", "PHX SIMULATED": True,
    }  # fmt: skip


def _product_cards(catg: str) -> dict[str, object]:
    return {
        "RADESYS": "ICRS", "EQUINOX": 2000.0, "FLUXCAL": "ABSOLUTE", "FILTER": "Ks", "OBJECT": "PHX 17",
        "NCOMBINE": 3, "TEXPTIME": 180.0, "PROCSOFT": "2.4.11", "ASSON1": "stack_conf_1.fits",
        "DATE-OBS": "2021-03-05T02:06:37.586", "ARCFILE": arcfile(0), "ESO PRO CATG": catg,
        "ESO PRO REC1 PIPE ID": "hawki/2.4.11", "ESO OBS ID": OB, "ESO TEL AIRM START": 1.098,
    }  # fmt: skip


def _quality_cards(chip: str) -> dict[str, object]:
    return {
        "BUNIT": "ADU", "PSF_FWHM": 0.6, "ELLIPTIC": 0.0135, "ABMAGLIM": 23.7, "ABMAGSAT": 14.6,
        "PHOTZP": 26.055, "PHOTZPER": 0.115, "ZPFUDGED": False, "PHOTSYS": "VEGA", "ARCFILE": arcfile(0),
        "CRDER1": WCS_RMS, "CRDER2": WCS_RMS, "ESO QC WCS_RMS": WCS_RMS, "ESO QC WCS_SCALE": 0.106,
        "ESO QC MAGZPT": MAGZPT, "ESO QC MAGZPT TEL": MAGZPT_TEL, "ESO QC MAGZERR": 0.115,
        "ESO DRS ZPIM1": ZERO_1[chip], "ESO DRS ZPIM2": ZERO_2, "ESO DRS ZPSIGIM1": 0.025,
        "ESO DRS ZPSIGIM2": 0.044, "ESO DRS MAGNZPTIM": 50 + int(chip), "ESO QC LIMITING_MAG": 23.7,
        "ESO QC SKYBRIGHT": 12.56, "ESO QC MEAN_SKY": SKY, "ESO QC SKY_NOISE": NOISE,
        "ESO QC APERTURE_CORR": 0.45,
    }  # fmt: skip


def _of_table(quality: dict[str, object]) -> dict[str, object]:
    """Cards of a source list: errors of coordinates are those of its columns, and it has no unit."""
    cards = {key: value for key, value in quality.items() if key not in {"BUNIT", "CRDER1", "CRDER2"}}
    return cards | {"TCRD1": WCS_RMS, "TCRD2": WCS_RMS}


def _sky_cards(x: float, y: float) -> dict[str, object]:
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "CRVAL1": RA_DEG,
        "CRVAL2": DEC_DEG, "CRPIX1": float(x), "CRPIX2": float(y), "CD1_1": -PIXEL_DEG, "CD1_2": 0.0,
        "CD2_1": 0.0, "CD2_2": PIXEL_DEG, "CSYER1": 0.0, "CSYER2": 0.0,
    }  # fmt: skip


def _pixels(catg: str, rows: int, columns: int, seed: int) -> np.ndarray:
    if "CONFIDENCE" in catg:
        return np.full((rows, columns), 100, "i4")
    if "VAR" in catg:
        return np.full((rows, columns), NOISE**2, "f4")
    return np.random.default_rng(seed).normal(SKY, NOISE, (rows, columns)).astype("f4")


def _table(seed: int) -> fits.BinTableHDU:
    rng = np.random.default_rng(seed)
    values = {
        "X_coordinate": ("Pixels", rng.uniform(5, COLUMNS - 5, SOURCES)),
        "Y_coordinate": ("Pixels", rng.uniform(5, ROWS - 5, SOURCES)),
        "Aper_flux_3": ("ADU", np.geomspace(500, 50_000, SOURCES)),
        "Half_radius": ("Pixels", np.full(SOURCES, HALF_RADIUS)),
        "RA": ("Degrees", np.full(SOURCES, RA_DEG)),
        "Classification": ("Flag", np.where(np.arange(SOURCES) % 3, -1, 1)),
        "Blank63": ("Blank63", np.zeros(SOURCES)),
    }
    return fits.BinTableHDU.from_columns(
        [fits.Column(name, "E", unit=unit, array=array) for name, (unit, array) in values.items()]
    )


def _with(hdu: fits.hdu.base.ExtensionHDU, cards: dict[str, object]) -> fits.hdu.base.ExtensionHDU:
    for keyword, value in cards.items():
        if value is not None:
            hdu.header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    return hdu


def _write(path: Path, hdus: list[fits.hdu.base.ExtensionHDU]) -> None:
    fits.HDUList(hdus).writeto(path, overwrite=True, checksum=True)
