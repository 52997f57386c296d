"""Products of kmos_sci_red and kmos_combine for tests, from known numbers, with raw frames.

The layout is that of ESO's documents (extensions ``<name>.DATA`` and ``<name>.NOISE``); simulated, and held
against no product of the real pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_ab import science_ab
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.model.ab import AssociationBlock, ProductInput, RawFile
from phoenix.model.product import Product

MJD_OBS = 59278.09
EXPTIME_S, DIT_S, NDIT, OVERHEAD_S = 300.0, 100.0, 3, 20.0
OB = 312550002
SPAXEL_DEG = 0.2 / 3600
RA_DEG, DEC_DEG = 136.925, -50.272
PLANES, ROWS, COLUMNS = 40, 14, 14
FIRST_UM, STEP_UM = 1.45, 0.001
NOISE = 2.5e-19
UNIT = "erg.s**(-1).cm**(-2).angstrom**(-1)"
#: Arm of each object.
ARMS = {"COSMOS 4/2": 1, "star": 9, "galaxy-17": 17}
CONFIG = {"resolving_power": {"HK": 2000}, "coordinate_error_arcsec": 0.2, "origin": "test"}


def arcfile(number: int) -> str:
    """Archive name of an exposure."""
    seconds = 9 * 60 + 36 + round(number * (EXPTIME_S + OVERHEAD_S))
    return f"KMOS.2021-03-05T02:{seconds // 60:02d}:{seconds % 60:02d}.000.fits"


def write_header(path: Path, cards: Mapping[str, object], *extensions: fits.ImageHDU) -> Path:
    """Write a FITS file with a primary header; None leaves a card out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    for keyword, value in cards.items():
        if value is not None:
            primary.header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    fits.HDUList([primary, *extensions]).writeto(path, overwrite=True, checksum=True)
    return path


def write_raw(
    path: Path, number: int, looks: Mapping[str, str], changes: Mapping[str, object], counts: float = 100.0
) -> Path:
    """Write a raw frame whose arms look at object or sky, as `looks` has by object."""
    mjd_obs = MJD_OBS + number * (EXPTIME_S + OVERHEAD_S) / 86400
    cards: dict[str, object] = {
        "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U1", "INSTRUME": "KMOS", "OBJECT": "FIELD",
        "RA": RA_DEG, "DEC": DEC_DEG, "EQUINOX": 2000.0, "RADESYS": "FK5", "EXPTIME": EXPTIME_S,
        "MJD-OBS": mjd_obs, "DATE-OBS": arcfile(number)[5:28], "ARCFILE": arcfile(number),
        "ESO DPR CATG": "SCIENCE", "ESO DPR TYPE": "OBJECT,SKY", "ESO DPR TECH": "IFU",
        "ESO OBS ID": OB, "ESO OBS PROG ID": "099.A-0023(B)", "ESO OBS TARG NAME": "FIELD",
        "ESO DET SEQ1 DIT": DIT_S, "ESO DET NDIT": NDIT, "ESO INS GRAT1 ID": "HK", "PHX SIMULATED": True,
    }  # fmt: skip
    for name, look in looks.items():
        cards[f"ESO OCS ARM{ARMS[name]} NAME"] = name
        cards[f"ESO OCS ARM{ARMS[name]} TYPE"] = look
    image = fits.ImageHDU(np.full((100, 100), counts, "f4"), name="CHIP1.INT1")
    return write_header(path, cards | dict(changes), image)


@dataclass
class Combined:
    """The combination of a template of three exposures: object, sky, object.

    Attributes
    ----------
    looks
        What the arm of each object does in each exposure, ``O`` or ``S``.
    cube_cards, data_cards
        Changes of primary header and data extension of the cubes; None removes a card.
    """

    folder: Path
    looks: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ARMS, "OSO"))
    cube_cards: dict[str, object] = field(default_factory=dict)
    data_cards: dict[str, object] = field(default_factory=dict)
    raw_cards: dict[int, dict[str, object]] = field(default_factory=dict)
    pipeline: str = "kmos/4.5.3"

    def write(self) -> Combined:
        for number, path in enumerate(self.raws):
            looks = {name: each[number] for name, each in self.looks.items()}
            write_raw(path, number, looks, self.raw_cards.get(number, {}))
        for name in self.looks:
            self._write_cube(name)
        return self

    @property
    def raws(self) -> list[Path]:
        return [self.folder / f"raw{number}.fits" for number in range(3)]

    @property
    def sources(self) -> dict[str, Path]:
        return {arcfile(number): path for number, path in enumerate(self.raws)}

    def cube(self, name: str) -> Path:
        return self.folder / f"cube{ARMS[name]:02d}.fits"

    def data(self, name: str) -> np.ndarray:
        """Flux of each voxel: NaN around the field, planes at both ends less than half full."""
        rng = np.random.default_rng(ARMS[name])
        values = rng.normal(0, NOISE, (PLANES, ROWS, COLUMNS)).astype("f4")
        values[:, 6:8, 6:8] += 100 * NOISE
        values[:, 0, :] = np.nan
        values[0] = np.nan
        values[1, : ROWS // 2 + 2] = np.nan  # 5 of 13 rows: less than half
        values[-1, : ROWS // 2] = np.nan  # 7 of 13 rows: more than half
        return values

    def job(self, folder: Path, **changes: object) -> ConversionJob:
        """A conversion of it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        report = self.folder / "report.png"
        report.write_bytes(b"\x89PNG picture")
        provenance = Provenance("phoenix-kmos", "sha256:" + "ab" * 32, self.pipeline, "0.1.0")
        common: dict[str, object] = {
            "folder": folder, "prefix": "KM", "provenance": provenance, "config": CONFIG,
            "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        }  # fmt: skip
        tags = tuple(RawFile(str(path), "SCIENCE") for path in self.raws)
        single = ConversionJob(ab=science_ab(raws=tags), products=[], raws=self.raws, **common)  # type: ignore[arg-type]
        content: dict[str, object] = {
            **common, "ab": self.ab, "products": self.products(), "raws": [], "reports": [report],
            "readme": "the AB\n", "singles": [single],
        }  # fmt: skip
        return ConversionJob(**(content | changes))  # type: ignore[arg-type]

    @property
    def ab(self) -> AssociationBlock:
        return science_ab(
            name="KMOS.2021-03-05T02:09:36.000_comb.ab", release="KMOS_R", instrument="KMOS", task="combine",
            recipe="kmos_combine", raws=(), mcalibs=(),
            inputs=(ProductInput("KMOS.1_tpl.ab", "SCI_RECONSTRUCTED"),),
        )  # fmt: skip

    def products(self) -> Sequence[Product]:
        paths = [self.cube(name) for name in self.looks]
        return [Product(str(path), "COMBINED_CUBE", path.stat().st_size, "") for path in paths]

    def _write_cube(self, name: str) -> None:
        data = self.data(name)
        noise = np.where(np.isfinite(data), np.float32(NOISE), np.nan).astype("f4")
        cards = {
            "INSTRUME": "KMOS", "ESO PRO CATG": "COMBINED_CUBE", "ESO PRO REC1 ID": "kmos_combine",
            "ESO PRO REC1 PIPE ID": self.pipeline, "ESO QC EXAMPLE": 1.5,
        }  # fmt: skip
        hdus = []
        for what, values in (("DATA", data), ("NOISE", noise)):
            hdu = fits.ImageHDU(values, name=f"{name}.{what}")
            axes = _AXES | (self.data_cards if what == "DATA" else {})
            hdu.header.update({keyword: value for keyword, value in axes.items() if value is not None})
            hdu.header["EXTNAME"] = f"{name}.{what}"
            hdus.append(hdu)
        write_header(self.cube(name), cards | self.cube_cards, *hdus)


_AXES: dict[str, object] = {
    "BUNIT": UNIT, "CTYPE1": "RA---TAN", "CUNIT1": "deg", "CRVAL1": RA_DEG, "CRPIX1": 7.5,
    "CTYPE2": "DEC--TAN", "CUNIT2": "deg", "CRVAL2": DEC_DEG, "CRPIX2": 7.5,
    "CD1_1": -SPAXEL_DEG, "CD2_2": SPAXEL_DEG, "CDELT1": -SPAXEL_DEG, "CDELT3": STEP_UM,
    "CTYPE3": "WAVE", "CUNIT3": "um", "CRVAL3": FIRST_UM, "CRPIX3": 1.0, "CD3_3": STEP_UM,
}  # fmt: skip
