"""Products of muse_scipost and muse_exp_combine with ``--format=sdpCube`` for tests, from known numbers.

Headers are those muse 2.8.7 writes. The fields of the exposures are rectangles on the spaxels of the combined
cube, displaced from each other; what headers say of their positions is wrong by what the list of offsets has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_ab import science_ab
from phoenix.headers.checksum import ones_complement_sum
from phoenix.idp.card import format_card
from phoenix.idp.encode import encode_hdu, encode_header
from phoenix.idp.fitsfile import read_fits
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.idp.spectrum import empty_primary
from phoenix.model.ab import AssociationBlock, ProductInput, RawFile
from phoenix.model.product import Product

MJD_OBS = 59278.08964639
EXPTIME_S = 600.0
OVERHEAD_S = 68.0
OB = 302550001
MODE = "WFM-NOAO-N"
STEM = f"{OB}_2021-03-05T02:09:05.448_{MODE}_OBJ"
SPAXEL_DEG = 0.2 / 3600
RA_DEG, DEC_DEG = 136.925, -50.272
#: Spaxels of the combined cube, its planes, and the fields in it: column and row of their first spaxel, size.
COLUMNS, ROWS, PLANES = 40, 30, 12
FIELD_COLUMNS, FIELD_ROWS = 30, 22
CORNERS = ((0, 0), (8, 3), (4, 8))
#: What headers say minus what is true, degrees of RA and Dec.
OFFSETS_DEG = ((0.0, 0.0), (3.1e-4, -2.2e-4), (-2.0e-4, 1.5e-4))
FIRST_ANGSTROM, STEP_ANGSTROM = 6960.25, 1.25
NOISE = 30.0
UNIT = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"
CONFIG = {
    "modes": {
        "WFM": {
            "sky_fwhm_arcsec": 0.853823,
            "sky_error_arcsec": 0.495547,
            "resolving_power": 2600,
            "coordinate_error_arcsec": 3.6,
        }
    },
    "wave_error_angstrom": 0.026,
    "origin": "test",
}


def arcfile(number: int) -> str:
    """Archive name of an exposure; the first is that of ``STEM``."""
    second = 5448 + round(number * (EXPTIME_S + OVERHEAD_S) * 1000)
    minutes, rest = divmod(second, 60000)
    return f"MUSE.2021-03-05T02:{9 + minutes:02d}:{rest / 1000:06.3f}.fits"


@dataclass
class Combined:
    """A combination of exposures in a folder, or one exposure.

    Attributes
    ----------
    cube_cards
        Changes of the cube's primary header; None removes a card.
    raw_cards
        Changes of the header of single raw frames, by their number.
    images
        Whether the recipe wrote white-light images.
    """

    folder: Path
    exposures: int = 3
    cube_cards: dict[str, object] = field(default_factory=dict)
    data_cards: dict[str, object] = field(default_factory=dict)
    raw_cards: dict[int, dict[str, object]] = field(default_factory=dict)
    images: bool = True
    kind: str = "OBJECT"

    def write(self) -> Combined:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.exposures):
            self._write_raw(number)
            self._write_field(number)
        self._write_lamp()
        self._write_offsets()
        self._write_cube()
        return self

    @property
    def raws(self) -> list[Path]:
        return [self.folder / f"raw{number}.fits" for number in range(self.exposures)]

    @property
    def sources(self) -> dict[str, Path]:
        return {arcfile(number): path for number, path in enumerate(self.raws)}

    @property
    def cube(self) -> Path:
        return self.folder / "DATACUBE_FINAL.fits"

    def exposed_s(self) -> np.ndarray:
        """Exposure time of each spaxel."""
        times = np.zeros((ROWS, COLUMNS))
        for x, y in CORNERS[: self.exposures]:
            times[y : y + FIELD_ROWS, x : x + FIELD_COLUMNS] += EXPTIME_S
        return times

    def data(self) -> np.ndarray:
        """Flux of each voxel; NaN outside all fields and in the first plane."""
        rng = np.random.default_rng(7)
        values = rng.normal(0, NOISE, (PLANES, ROWS, COLUMNS)).astype("f4")
        values[:, 12, 15] += 5000
        values[:, self.exposed_s() == 0] = np.nan
        values[0] = np.nan
        return values

    def job(self, folder: Path, **changes: object) -> ConversionJob:
        """A conversion of it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        report = self.folder / "report.png"
        report.write_bytes(b"\x89PNG picture")
        singles = [self._single(number, folder) for number in range(self.exposures)]
        content: dict[str, object] = {
            "ab": self.ab, "products": self._products(self.cube, self.folder / "IMAGE_FOV_0001.fits"),
            "raws": [], "folder": folder, "prefix": "MU", "reports": [report], "readme": "the AB\n",
            "provenance": Provenance(
                "phoenix-muse", "sha256:" + "ab" * 32, "muse/2.8.7", "0.1.0",
                (("OFFSET_LIST", str(self.folder / "OFFSET_LIST.fits")),),
            ),
            "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "config": CONFIG, "singles": singles,
        }  # fmt: skip
        return ConversionJob(**(content | changes))  # type: ignore[arg-type]

    @property
    def ab(self) -> AssociationBlock:
        names = [f"MUSE.{number}_post.ab" for number in range(self.exposures)]
        return science_ab(
            name="MUSE.2021-03-05T02:09:05.448_comb.ab", release="MUSE_R", instrument="MUSE", task="combine",
            recipe="muse_exp_combine", raws=(), mcalibs=(), parameters=(("format", "sdpCube"),),
            inputs=tuple(ProductInput(name, "PIXTABLE_REDUCED") for name in names), min_inputs=2,
        )  # fmt: skip

    def _single(self, number: int, folder: Path) -> ConversionJob:
        """An exposure: the raw frames are those of the step before it."""
        provenance = Provenance("phoenix-muse", "sha256:" + "ab" * 32, "muse/2.8.7", "0.1.0")
        raws = [self.raws[number], self.folder / "lamp.fits"]
        common = {"folder": folder, "prefix": "MU", "provenance": provenance, "config": CONFIG,
                  "converted_at": datetime(2026, 1, 2, tzinfo=UTC)}  # fmt: skip
        tags = tuple(RawFile(str(path), "OBJECT") for path in raws)
        before = ConversionJob(ab=science_ab(raws=tags), products=[], raws=raws, **common)  # type: ignore[arg-type]
        field_image = self.folder / f"field{number}.fits"
        return ConversionJob(
            ab=science_ab(raws=()), products=self._products(field_image), raws=[], singles=[before], **common
        )  # type: ignore[arg-type]

    def _products(self, *paths: Path) -> list[Product]:
        return [
            Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, "")
            for path in paths
            if path.exists()
        ]

    def _write_raw(self, number: int) -> None:
        cards: dict[str, object] = {
            "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "OBJECT": "FIELD",
            "RA": RA_DEG, "DEC": DEC_DEG, "EQUINOX": 2000.0, "RADECSYS": "FK5", "EXPTIME": EXPTIME_S,
            "MJD-OBS": MJD_OBS + number * (EXPTIME_S + OVERHEAD_S) / 86400,
            "DATE-OBS": arcfile(number)[5:28], "ARCFILE": arcfile(number),
            "ESO DPR CATG": "SCIENCE", "ESO DPR TYPE": self.kind, "ESO DPR TECH": "IFU",
            "ESO OBS ID": OB, "ESO OBS PROG ID": "099.A-0023(B)", "ESO OBS TARG NAME": "NGC 1'2",
            "ESO INS MODE": MODE, "PHX SIMULATED": True,
        }  # fmt: skip
        _write(self.raws[number], fits.PrimaryHDU(), cards | self.raw_cards.get(number, {}))

    def _write_lamp(self) -> None:
        """The lamp flat that goes with the exposures: a raw frame, not on target."""
        cards = {"ARCFILE": "MUSE.2021-03-05T02:00:00.000.fits", "MJD-OBS": MJD_OBS - 0.01, "EXPTIME": 1.0,
                 "ESO DPR CATG": "CALIB", "ESO DPR TYPE": "FLAT,LAMP,ILLUM"}  # fmt: skip
        _write(self.folder / "lamp.fits", fits.PrimaryHDU(), cards)

    def _write_field(self, number: int) -> None:
        """White-light image of one exposure, with the wrong position in its header."""
        if not self.images:
            return
        x, y = CORNERS[number]
        sky = _sky_cards(x, y) | {"BUNIT": UNIT}
        dra, ddec = OFFSETS_DEG[number]
        sky["CRVAL1"], sky["CRVAL2"] = RA_DEG + dra, DEC_DEG + ddec
        data = np.ones((FIELD_ROWS, FIELD_COLUMNS), "f4")
        self._write_image(self.folder / f"field{number}.fits", data, sky, arcfile(number)[5:28])

    def _write_image(self, path: Path, data: np.ndarray, sky: dict[str, object], date_obs: str) -> None:
        primary = fits.PrimaryHDU()
        for keyword, value in {"DATE-OBS": date_obs, "EXPTIME": EXPTIME_S, "ESO PRO CATG": "IMAGE_FOV",
                               "ESO DRS MUSE FILTER NAME": "white"}.items():  # fmt: skip
            primary.header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
        image = fits.ImageHDU(data, name="DATA")
        image.header.update(sky)
        fits.HDUList([primary, image]).writeto(path, overwrite=True, checksum=True)

    def _write_offsets(self) -> None:
        names = [arcfile(number)[5:28] for number in range(self.exposures)]
        columns = [fits.Column("DATE_OBS", "23A", array=names)]
        for place, name in enumerate(("RA_OFFSET", "DEC_OFFSET")):
            values = [offset[place] for offset in OFFSETS_DEG[: self.exposures]]
            columns.append(fits.Column(name, "D", array=values))
        table = fits.BinTableHDU.from_columns(columns)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(self.folder / "OFFSET_LIST.fits", overwrite=True)

    def _write_cube(self) -> None:
        primary = fits.PrimaryHDU()
        for keyword, value in (self._recipe_cards() | self.cube_cards).items():
            if value is not None:
                primary.header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
        data = self.data()
        variance = np.where(np.isfinite(data), NOISE**2, np.nan).astype("f4")
        hdus = [primary]
        for name, values, cards in (("DATA", data, _DATA), ("STAT", variance, _STAT)):
            hdu = fits.ImageHDU(values, name=name)
            hdu.header.update(_sky_cards(0, 0) | _WAVE | cards | self.data_cards)
            hdus.append(hdu)
        fits.HDUList(hdus).writeto(self.cube, overwrite=True, checksum=True)
        if self.images:
            known = np.isfinite(data)
            total, count = np.where(known, data, 0).sum(axis=0, dtype="f8"), known.sum(axis=0)
            white = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype("f4")
            sky = _sky_cards(0, 0) | {"BUNIT": hdus[1].header["BUNIT"]}
            self._write_image(self.folder / "IMAGE_FOV_0001.fits", white, sky, arcfile(0)[5:28])

    def _recipe_cards(self) -> dict[str, object]:
        return {
            "RA": RA_DEG, "DEC": DEC_DEG, "EXPTIME": 28731.0, "TEXPTIME": 1800.0, "SPECSYS": "BARYCENT",
            "FLUXCAL": "ABSOLUTE", "SPEC_RES": 3001.7, "SKY_RES": 0.6278, "SKY_RERR": 0.3,
            "PIXNOISE": 1.4142135623731e-21, "ABMAGLIM": 21.6, "PRODCATG": "SCIENCE.CUBE.IFS",
            "ASSON1": "IMAGE_FOV_0001.fits", "ESO PRO CATG": "DATACUBE_FINAL",
            "ESO PRO REC1 PIPE ID": "muse/2.8.6", "ESO PRO REC2 PIPE ID": "muse/2.8.7",
            "ESO QC EXPCOMB NDET": 8, "ESO QC EXPCOMB FWHM NVALID": 5,
            "ESO QC EXPCOMB FWHM MEDIAN": 0.82, "ESO QC EXPCOMB FWHM MAD": 0.02,
        }  # fmt: skip


_CLASS: dict[str, object] = {
    "HDUCLASS": "ESO",
    "HDUDOC": "DICD",
    "HDUVERS": "DICD version 6",
    "HDUCLAS1": "IMAGE",
}
_DATA = _CLASS | {"HDUCLAS2": "DATA", "ERRDATA": "STAT", "BUNIT": UNIT}
_STAT = _CLASS | {
    "HDUCLAS2": "ERROR", "HDUCLAS3": "MSE", "SCIDATA": "DATA",
    "BUNIT": "10**(-40)erg**2.s**(-2).cm**(-4).angstrom**(-2)",
}  # fmt: skip
_WAVE: dict[str, object] = {
    "CTYPE3": "AWAV", "CUNIT3": "angstrom", "CD3_3": STEP_ANGSTROM, "CRPIX3": 1.0, "CRVAL3": FIRST_ANGSTROM,
    "CRDER3": 0.026, "CSYER1": -1.0, "CSYER2": -1.0,
}  # fmt: skip


def _sky_cards(x: int, y: int, columns: int = COLUMNS, rows: int = ROWS) -> dict[str, object]:
    """Coordinates of an image whose first spaxel is at this column and row of the combined cube."""
    return {
        "CTYPE1": "RA---TAN", "CUNIT1": "deg", "CRVAL1": RA_DEG, "CRPIX1": columns / 2 - x,
        "CTYPE2": "DEC--TAN", "CUNIT2": "deg", "CRVAL2": DEC_DEG, "CRPIX2": rows / 2 - y,
        "CD1_1": -SPAXEL_DEG, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SPAXEL_DEG,
    }  # fmt: skip


def _write(path: Path, hdu: fits.PrimaryHDU, cards: dict[str, object]) -> None:
    for keyword, value in cards.items():
        if value is not None:
            hdu.header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    hdu.writeto(path, overwrite=True)


def write_large_cube(small: Combined, columns: int, rows: int, planes: int) -> None:
    """Put a cube of any size in the place of the small one, its planes one random plane in turn; no image.

    Never more than a plane is in memory.
    """
    rng = np.random.default_rng(3)
    plane = rng.normal(0, NOISE, (rows, columns)).astype(">f4")
    plane[: rows // 20] = np.nan
    variance = (np.full((rows, columns), NOISE**2) * rng.uniform(0.98, 1.02, (rows, columns))).astype(">f4")
    source = read_fits(small.cube)
    temporary = small.cube.with_suffix(".tmp")
    with temporary.open("wb") as file:
        primary = [
            card.image for card in source.primary.cards[4:] if card.keyword not in {"CHECKSUM", "DATASUM"}
        ]
        file.write(encode_hdu([*empty_primary(), *primary]))
        for hdu, values in zip(source.extensions, (plane, variance), strict=True):
            cards = {"NAXIS1": columns, "NAXIS2": rows, "NAXIS3": planes} | _sky_cards(0, 0, columns, rows)
            header = [
                format_card(card.keyword, cards[card.keyword]) if card.keyword in cards else card.image  # type: ignore[arg-type]
                for card in hdu.cards
                if card.keyword not in {"CHECKSUM", "DATASUM"}
            ]
            total = 0
            for content in _planes(values, planes):
                total = ones_complement_sum(content, total)
            file.write(encode_header(header, total))
            for content in _planes(values, planes):
                file.write(content)
            file.write(bytes(-planes * values.nbytes % 2880))
    temporary.rename(small.cube)
    (small.folder / "IMAGE_FOV_0001.fits").unlink(missing_ok=True)


def _planes(values: np.ndarray, planes: int) -> Iterator[bytes]:
    """Planes that differ: each is rolled by one row more."""
    for number in range(planes):
        yield np.roll(values, number % 17, axis=0).tobytes()
