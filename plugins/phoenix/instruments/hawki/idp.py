"""Converter ``hawki_image``: stacked pawprints and tiles as the recipes wrote them, completed to SDP images.

The tile of an OB and filter is one SCIENCE.IMAGE (HA_STIL); the pawprint behind it goes with it as an
ancillary file. Without a tile the pawprint is the IDP, a SCIENCE.MEFIMAGE (HA_SPAW) of four detectors.
Confidence and variance maps are ancillary files; the source list is a science product of its own
(SCIENCE.SRCTBL), whose source is the image. Pixels are the recipe's, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from phoenix.errors import IdpError
from phoenix.idp.ancillary import describe, papers, write_idp
from phoenix.idp.cube_grid import sky_grid
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.idp.image_file import Part, write_image
from phoenix.idp.image_header import Imaging, image_primary, pixel_cards, structure_cards
from phoenix.idp.inheritance import recipe_cards
from phoenix.idp.job import ConversionJob, LeftOutError
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.raw_header import to_iso
from phoenix.idp.registry import converter
from phoenix.idp.sdp import Ancillary, Observation, score_cards
from phoenix.idp.spectrum import empty_primary
from phoenix.instruments.hawki.idp_exposures import Exposures, read_exposures
from phoenix.instruments.hawki.idp_quality import (
    calibrated,
    image_changes,
    images_of,
    list_changes,
    map_changes,
)
from phoenix.model.product import Idp


@dataclass(frozen=True)
class Kind:
    """Products of one recipe: PRO.CATG of image, confidence, variance and source list."""

    name: str
    category: str
    code: str
    image: str
    confidence: str
    variance: str
    sources: str


PAWPRINT = Kind(
    "PAWPRINT", "SCIENCE.MEFIMAGE", "SPA", "JITTERED_IMAGE_SCI", "CONFIDENCE_MAP_JITTERED",
    "JITTERED_VAR_IMAGE", "OBJECT_CATALOGUE_JITTERED",
)  # fmt: skip
TILE = Kind(
    "TILE", "SCIENCE.IMAGE", "STI", "TILED_IMAGE", "TILED_CONFIDENCE_MAP", "TILED_VAR_MAP",
    "TILED_OBJECT_CATALOGUE",
)  # fmt: skip
#: Last letter of the codes of the files of a kind: HA_SPAW, HA_SPAC, HA_SPAV, HA_SPAS, HA_STIL, HA_STIC ...
_IMAGE_LETTER = {"PAWPRINT": "W", "TILE": "L"}


@dataclass(frozen=True)
class Science:
    """An image with all that belongs to it, read once."""

    job: ConversionJob
    kind: Kind
    image: FitsFile
    sources: FitsFile | None
    exposures: Exposures
    observation: Observation
    imaging: Imaging

    def name(self, letter: str = "") -> str:
        """Name of a file of it without suffix: C confidence, V variance, S sources; none for the image."""
        start, ob_id = to_iso(self.observation.mjd_obs), self.observation.ob_ids[0]
        code = self.kind.code + (letter or _IMAGE_LETTER[self.kind.name])
        return f"{self.job.prefix}_{code}_{ob_id}_{start}_{self.exposures.filter_name}"


@converter("hawki_image")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDPs of a tile or a stacked pawprint: image and source list, and the ancillary files.

    Raises
    ------
    LeftOutError
        If the AB makes neither.
    IdpError
        If products or keywords are missing or cannot be right.
    """
    kind = next((kind for kind in (TILE, PAWPRINT) if job.find(kind.image) is not None), None)
    if kind is None:
        raise LeftOutError(
            job.ab.name, "makes no stacked image", "a tile or a stacked pawprint becomes an IDP"
        )
    science = _read(job, kind)
    head = science.name() + ".fits"
    written = [*_maps(science, head)]
    for single in job.singles:
        if kind is TILE and single.find(PAWPRINT.image) is not None:
            pawprint = _read(single, PAWPRINT)
            written.append(_write_image(pawprint, "ANCILLARY.IMAGE", (), head))
            written += _maps(pawprint, head)
            written += _texts_and_pictures(pawprint, head)
    written += _texts_and_pictures(science, head)
    described = [describe(idp, Path(idp.path).read_bytes()) if _is_text(idp) else Ancillary(idp.origfile)
                 for idp in written]  # fmt: skip
    image = _write_image(science, kind.category, described)
    return [
        replace(image, title=f"{science.observation.target} {science.exposures.filter_name}"),
        *written,
        *_source_list(science, head),
    ]


def _read(job: ConversionJob, kind: Kind) -> Science:
    image = read_fits(Path(job.product(kind.image).path))
    found = job.find(kind.sources)
    hdus = images_of(image)
    if not hdus:
        raise IdpError(str(image.path), "holds no image", "one, or one for each detector")
    exposures = read_exposures(job)
    ra_deg, dec_deg = _centre_deg(hdus)
    observation = replace(
        exposures.observation(_pipeline(image.primary)),
        ra_deg=round(ra_deg, 8),
        dec_deg=round(dec_deg, 8),
        # The frame of the reference catalogue, not that of the raw header.
        radesys=image.primary.text("RADESYS") or "ICRS",
        equinox=image.primary.number("EQUINOX"),
    )
    return Science(
        job,
        kind,
        image,
        read_fits(Path(found.path)) if found is not None else None,
        exposures,
        observation,
        exposures.imaging(kind.name, calibrated=calibrated(image)),
    )


def _centre_deg(hdus: list[Hdu]) -> tuple[float, float]:
    """Middle of an image, or of the detectors of a pawprint: between them there is no pixel."""
    centres = np.radians([sky_grid(hdu).centre_deg() for hdu in hdus])
    ra, dec = centres[:, 0], centres[:, 1]
    x, y, z = (np.cos(dec) * np.cos(ra)).sum(), (np.cos(dec) * np.sin(ra)).sum(), np.sin(dec).sum()
    return float(np.degrees(np.arctan2(y, x)) % 360), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def _write_image(science: Science, category: str, ancillaries: Sequence[Ancillary], parent: str = "") -> Idp:
    job = science.job
    primary = [
        *image_primary(category, science.observation, science.imaging, ancillaries, job.converted_at),
        *score_cards(job.score_bits("")),
        *provenance_cards(job.ab, job.provenance),
        *science.exposures.first_cards(),
        *recipe_cards([("", science.image.primary)], science.kind.image),
    ]
    changes = {hdu.index: image_changes(hdu, _table_of(science, hdu)) for hdu in images_of(science.image)}
    parts = _parts(science.image, primary, lambda hdu: pixel_cards(hdu, changes[hdu.index]))
    return write_image(job.folder, science.name() + ".fits", category, parts, parent)


def _maps(science: Science, parent: str) -> Iterator[Idp]:
    kind, job = science.kind, science.job
    for catg, letter, category, variance in (
        (kind.confidence, "C", "ANCILLARY.WEIGHTMAP", False),
        (kind.variance, "V", "ANCILLARY.VARMAP", True),
    ):
        file = read_fits(Path(job.product(catg).path))
        primary = [
            *image_primary(category, science.observation, science.imaging, (), job.converted_at),
            *recipe_cards([("", file.primary)], catg),
        ]

        def cards(hdu: Hdu, variance: bool = variance) -> list[str]:
            return pixel_cards(hdu, map_changes(hdu, variance=variance), map_of_image=True)

        name = science.name(letter) + ".fits"
        yield write_image(job.folder, name, category, _parts(file, primary, cards), parent)


def _parts(file: FitsFile, primary: list[str], cards_of: Callable[[Hdu], list[str]]) -> Iterator[Part]:
    """HDUs of a file like that of the recipe: the image in the primary HDU, or one for each detector."""
    if file.primary.integer("NAXIS"):
        yield Part((*structure_cards(file.primary), *primary, *cards_of(file.primary)), file.primary)
    else:
        yield Part((*empty_primary(), *primary))
    for hdu in file.extensions:
        yield Part(tuple(cards_of(hdu)), hdu)


def _source_list(science: Science, image_name: str) -> Iterator[Idp]:
    if science.sources is None:
        return
    category, job = "SCIENCE.SRCTBL", science.job
    primary = [
        *empty_primary(),
        *image_primary(
            category, science.observation, science.imaging, (), job.converted_at, source=image_name
        ),
        *recipe_cards([("", science.sources.primary)], science.kind.sources),
    ]
    parts = [Part(tuple(primary))]
    for table in science.sources.extensions:
        image = next((hdu for hdu in images_of(science.image) if _table_of(science, hdu) is table), None)
        parts.append(Part(tuple(pixel_cards(table, list_changes(table, image))), table))
    yield write_image(job.folder, science.name("S") + ".fits", category, parts)


def _table_of(science: Science, image: Hdu) -> Hdu | None:
    """Return the sources found in an image: both have the same EXTNAME."""
    if science.sources is None:
        return None
    return next((hdu for hdu in science.sources.extensions if hdu.name == image.name), None)


def _texts_and_pictures(science: Science, parent: str) -> Iterator[Idp]:
    job, stem = science.job, science.name()
    for name, category, content in papers(job, stem):
        yield write_idp(job.folder, name, category, content, parent=parent)


def _is_text(idp: Idp) -> bool:
    return not idp.origfile.endswith(".fits")


def _pipeline(header: Hdu) -> str:
    found = [header.text(f"PRO.REC{number}.PIPE.ID") for number in (2, 1)]
    told = next((text for text in found if text), "")
    if not told:
        raise IdpError(str(header.place.path), "nothing tells the pipeline's version", "ESO PRO REC1 PIPE ID")
    return told
