"""Products of giscience for tests: what the recipe writes, from numbers that are known exactly.

Headers and tables are those of giraf 2.16.10, cut to what anybody reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_ab import science_ab
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.idp.raw_header import to_iso
from phoenix.model.ab import AssociationBlock, PgiEntry, RawFile
from phoenix.model.product import Product
from phoenix.pgi.apply import config_sha256

#: Start of the first exposure, whole milliseconds.
MJD_OBS = 60380 + (12 * 3600 + 58 * 60 + 30) / 86400
EXPTIME_S = 2700.0
#: Time between the starts of two exposures, days.
CADENCE = 2760.0 / 86400
START_NM, STEP_NM, BINS = 450.096356391332, 0.019999838212, 400
SETUP, SLIT = "L479.7", "Medusa1"
CONFIG = {"fibre_arcsec": 1.2, "resolving_power": {"L479.7": 7500, "H379.0": 25000}, "origin": "test"}
TARGETS = {1: "STAR'1", 4: "HD 4", 23: "Star 23"}
SKY, LAMPS = (20, 24), (33,)


def release_pgis(mode: str = "CURRENT") -> dict[str, object]:
    """The PGIs of a release with this PROC_MODE."""
    return {"giraffe_proc_mode": {"proc_mode": mode}}


def counts(fps: int) -> np.ndarray:
    """The spectrum of a fibre, ADU, with one absorption line."""
    bins = np.arange(BINS)
    return 500.0 + 10 * fps + 0.1 * bins - 300 * np.exp(-0.5 * ((bins - 200) / 8) ** 2)


@dataclass
class Exposure:
    """One reduced exposure in a folder; ``number`` is its place in the OB, from 0."""

    folder: Path
    number: int = 0
    targets: dict[int, str] = field(default_factory=lambda: dict(TARGETS))
    lamps: tuple[int, ...] = LAMPS
    raw_cards: dict[str, object] = field(default_factory=dict)
    fibre_cards: dict[str, object] = field(default_factory=dict)

    @property
    def mjd_obs(self) -> float:
        return MJD_OBS + self.number * CADENCE

    @property
    def start(self) -> str:
        return to_iso(self.mjd_obs)

    @property
    def arcfile(self) -> str:
        return f"GIRAF.{self.start}.fits"

    @property
    def raw(self) -> Path:
        return self.folder / "raw.fits"

    def write(self) -> Exposure:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_raw()
        for number, fps in enumerate(sorted(self.targets), start=1):
            self._write_fibre(number, fps)
        self._write_images()
        return self

    def _common(self) -> dict[str, object]:
        return {
            "TELESCOP": "ESO-VLT-U2", "INSTRUME": "GIRAFFE", "EQUINOX": 2000.0, "RADESYS": "FK5",
            "EXPTIME": EXPTIME_S, "MJD-OBS": self.mjd_obs, "ARCFILE": self.arcfile,
            "ESO OBS ID": 200654321, "ESO OBS PROG ID": "112.25ZZ.002", "ESO OBS TARG NAME": "FIELD",
            "ESO INS SLIT NAME": SLIT, "ESO INS EXP MODE": SETUP, "ESO INS GRAT NAME": "LR",
        }  # fmt: skip

    def _write_raw(self) -> None:
        cards = self._common() | {
            "ORIGIN": "ESO-PARANAL", "OBJECT": "OBJECT,SKY", "RA": 150.0, "DEC": -30.0, "BUNIT": "ADU",
            "ESO DPR CATG": "SCIENCE", "ESO DPR TYPE": "OBJECT,SKY", "ESO DPR TECH": "MOS",
            "PHX SIMULATED": True,
        }  # fmt: skip
        fits.PrimaryHDU(header=_header(cards | self.raw_cards)).writeto(self.raw, overwrite=True)

    def _write_fibre(self, number: int, fps: int) -> None:
        wave = START_NM + STEP_NM * np.arange(BINS)
        flux = counts(fps)
        error = np.sqrt(flux / 1.5)
        cards = self._common() | self._pro("SCIENCE_RBNSPEC_IDP") | {
            "ORIGIN": "ESO", "OBJECT": self.targets[fps], "RA": 149.5 + fps / 100, "DEC": -30 + fps / 1000,
            "MJD-END": self.mjd_obs + EXPTIME_S / 86400, "SPECSYS": "HELIOCEN",
            "PRODCATG": "SCIENCE.SPECTRUM",
            "OBSTECH": "MOS", "DISPELEM": "LR", "WAVELMIN": float(wave[0]), "WAVELMAX": float(wave[-1]),
            "SPEC_BIN": STEP_NM, "SPEC_SYE": 0.002, "LAMNLIN": 61, "LAMRMS": 0.0027, "GAIN": 1.5,
            "DETRON": 4.5, "FPS": fps, "GEOCORR": -0.12, "HELICORR": -2.17, "BARYCORR": -2.18,
            "ASSON1": "science_ancillary.fits", "ASSOC1": "ANCILLARY.MOSSKY", "ASSOM1": "",
            "PROV1": self.arcfile,
        } | self.fibre_cards  # fmt: skip
        columns = [
            fits.Column("WAVE", f"{BINS}E", "nm", array=wave[np.newaxis]),
            fits.Column("FLUX_REDUCED", f"{BINS}D", "adu", array=flux[np.newaxis]),
            fits.Column("ERR_REDUCED", f"{BINS}D", "adu", array=error[np.newaxis]),
            fits.Column("SNR", f"{BINS}D", array=(flux / error)[np.newaxis]),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
        table.header["NELEM"] = BINS
        path = self.folder / f"science_spectrum_{number:02d}.fits"
        fits.HDUList([fits.PrimaryHDU(header=_header(cards)), table]).writeto(path, overwrite=True)

    def _write_images(self) -> None:
        fibres = sorted([*self.targets, *SKY, *self.lamps])
        spectra = np.stack([counts(fps) for fps in fibres], axis=1).astype("f4")
        retractors = ["Calibration" if fps in self.lamps else f"Medusa1 {fps}" for fps in fibres]
        kinds = ["S" if fps in SKY else "" if fps in self.lamps else "M" for fps in fibres]
        setup = fits.BinTableHDU.from_columns(
            [
                fits.Column("INDEX", "1J", array=np.arange(1, len(fibres) + 1)),
                fits.Column("FPS", "1J", array=np.array(fibres)),
                fits.Column("Retractor", "11A", array=np.array(retractors)),
                fits.Column("OBJECT", "8A", array=np.array([self.targets.get(fps, "") for fps in fibres])),
                fits.Column("TYPE", "1A", array=np.array(kinds)),
                fits.Column("GCORR", "1D", array=np.full(len(fibres), -0.12)),
            ],
            name="FIBER_SETUP",
        )
        axes = {
            "CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 1.0, "CRVAL2": 450.1, "CDELT1": 1.0, "CDELT2": 0.02,
            "CTYPE1": "INDEX", "CTYPE2": "AWAV", "CUNIT1": "", "CUNIT2": "nm", "BUNIT": "adu",
        }  # fmt: skip
        for name, data in (("SCIENCE_RBNSPECTRA", spectra), ("SCIENCE_RBNERRORS", np.sqrt(spectra))):
            header = _header(axes | self._pro(name))
            hdus = fits.HDUList([fits.PrimaryHDU(data, header), setup])
            hdus.writeto(self.folder / f"{name.lower()}.fits", overwrite=True)

    def _pro(self, catg: str) -> dict[str, object]:
        return {
            "ESO PRO CATG": catg, "ESO PRO REC1 ID": "giscience", "ESO PRO REC1 PIPE ID": "giraf/2.16.10",
            "ESO PRO SCIENCE": True,
        }  # fmt: skip

    @property
    def products(self) -> list[Product]:
        return [
            Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, "")
            for path in sorted(self.folder.glob("science_*.fits"))
        ]

    def ab(self, pgis: dict[str, object]) -> AssociationBlock:
        return giraffe_ab(pgis, name=f"GIRAF.{self.start}.ab", raws=(RawFile(str(self.raw), "SCIENCE"),))

    def job(self, folder: Path, pgis: dict[str, object] | None = None, **changes: object) -> ConversionJob:
        """A conversion of it into a folder, which is made."""
        pgis = release_pgis() if pgis is None else pgis
        return job_of(self.ab(pgis), self.products, folder, pgis, self.folder, raws=[self.raw], **changes)


def giraffe_ab(pgis: dict[str, object], **changes: object) -> AssociationBlock:
    """An AB that passed these PGIs."""
    ledger = tuple(PgiEntry(name, "1", config_sha256(config)) for name, config in pgis.items())
    content: dict[str, object] = {
        "release": "GIRAF_STACK", "instrument": "GIRAFFE", "recipe": "giscience", "raw_type": "SCIENCE",
        "mcalibs": (), "parameters": (), "expected": (), "match_keys": (), "pgis": ledger,
    }  # fmt: skip
    return science_ab(**(content | changes))


def job_of(
    ab: AssociationBlock, products: list[Product], folder: Path, pgis: dict[str, object], own: Path,
    **changes: object,
) -> ConversionJob:  # fmt: skip
    """A conversion into a folder, which is made; ``own`` takes its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    report = own / "report.png"
    report.write_bytes(b"\x89PNG picture of " + ab.name.encode())
    content: dict[str, object] = {
        "ab": ab, "products": products, "folder": folder, "prefix": "GI", "raws": [], "pgis": pgis,
        "provenance": Provenance("phoenix-giraffe", "sha256:" + "ab" * 32, "giraf/2.16.10", "0.1.0"),
        "converted_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "reports": [report],
        "readme": f"the AB {ab.name}\n", "config": CONFIG,
    }  # fmt: skip
    return ConversionJob(**(content | changes))  # type: ignore[arg-type]


def _header(cards: dict[str, object]) -> fits.Header:
    header = fits.Header()
    for keyword, value in cards.items():
        if value is not None:
            header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    return header
