# ruff: noqa: INP001 (one module, copied into an image)
"""STAND-IN for ESO's KMOS recipes: their names, tags and layout of products, and numbers that mean nothing.

It lets tests run what surrounds a recipe: SOF, container, verdict, cascade, conversion, archive.
The layout is that of ESO's documents, and where they are silent a guess; no product of the real pipeline was
ever at hand to compare with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np
from astropy.io import fits

from phoenix.recipes.contract import run
from phoenix.recipes.frames import Frame, FrameGroup, Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import ParameterValues
from phoenix.recipes.product import Product
from phoenix.recipes.recipe import Pipeline, Recipe

N_ARMS = 24
N_DETECTORS = 3
#: Far smaller than the real ones: 2048 pixels a side, 14 x 14 spaxels, 2048 planes.
DETECTOR_PIXELS = 64
SPAXELS, PLANES = 14, 32
SPAXEL_DEG = 0.2 / 3600
FIRST_UM, LAST_UM = 1.45, 2.41
FLUX_UNIT = "erg.s**(-1).cm**(-2).angstrom**(-1)"
ALL_ARMS = range(1, N_ARMS + 1)


class Layout(Enum):
    """How the extensions of a product are cut."""

    #: ``DET.1.DATA``, ``DET.1.NOISE`` ...: images of the detectors.
    DETECTORS = "detectors"
    #: ``IFU.1.DATA``, ``IFU.1.NOISE`` ...: images of the arms.
    IMAGES = "images"
    #: As IMAGES, with a cube per arm.
    CUBES = "cubes"
    #: As IMAGES, with a spectrum per arm.
    SPECTRA = "spectra"


@dataclass(frozen=True)
class Work:
    """What a recipe takes and writes; a tag's group is RAW unless it is among the calibrations."""

    raw: tuple[str, ...]
    calibrations: tuple[str, ...]
    products: dict[str, Layout]


_DET, _CUBE, _SPECTRUM, _IMAGE = Layout.DETECTORS, Layout.CUBES, Layout.SPECTRA, Layout.IMAGES
_FLAT = ("MASTER_FLAT", "XCAL", "YCAL")
WORKS = {
    "kmos_dark": Work(("DARK",), (), {"MASTER_DARK": _DET, "BADPIXEL_DARK": _DET}),
    "kmos_flat": Work(
        ("FLAT_ON", "FLAT_OFF"),
        ("BADPIXEL_DARK",),
        {"MASTER_FLAT": _DET, "XCAL": _DET, "YCAL": _DET, "FLAT_EDGE": _DET, "BADPIXEL_FLAT": _DET},
    ),
    "kmos_wave_cal": Work(
        ("ARC_ON", "ARC_OFF"),
        ("REF_LINES", "WAVE_BAND", "ARC_LIST", "XCAL", "YCAL", "FLAT_EDGE"),
        {"LCAL": _DET, "DET_IMG_WAVE": _DET},
    ),
    "kmos_illumination": Work(
        ("FLAT_ON", "FLAT_SKY"),
        ("WAVE_BAND", "MASTER_DARK", *_FLAT, "FLAT_EDGE", "LCAL"),
        {"ILLUM_CORR": _IMAGE},
    ),
    "kmos_std_star": Work(
        ("STD",),
        ("WAVE_BAND", "SPEC_TYPE_LOOKUP", "ATMOS_MODEL", "SOLAR_SPEC", *_FLAT, "LCAL", "ILLUM_CORR"),
        {"STAR_SPEC": _SPECTRUM, "TELLURIC": _SPECTRUM, "STD_IMAGE": _IMAGE, "STD_MASK": _IMAGE},
    ),
    "kmos_sci_red": Work(
        ("SCIENCE",),
        ("WAVE_BAND", "OH_SPEC", *_FLAT, "LCAL", "ILLUM_CORR", "TELLURIC"),
        {"SCI_RECONSTRUCTED": _CUBE},
    ),
    "kmos_combine": Work(("SCI_RECONSTRUCTED",), (), {"COMBINED_CUBE": _CUBE}),
}


def reduce(
    work: Work, frames: Frames, _parameters: ParameterValues, _messages: Messages
) -> Sequence[Product]:
    """Return one product of each category; the mean of its data is the number of raw frames.

    Of a standard star only the arms that were on it hold data.
    """
    raws = frames.of_group(FrameGroup.RAW)
    lit: Collection[int] = ALL_ARMS
    if work.raw == ("STD",):
        lit = {arm for frame in raws for arm in _arms_on_objects(frame)}
    return [
        Product(
            f"{category.lower()}.fits",
            category,
            fits.HDUList([fits.PrimaryHDU(), *_extensions(layout, float(len(raws)), lit)]),
        )
        for category, layout in work.products.items()
    ]


def reconstruct(
    _work: Work, frames: Frames, _parameters: ParameterValues, _messages: Messages
) -> Sequence[Product]:
    """Return a SCI_RECONSTRUCTED for each frame that has an arm on an object; other arms are empty."""
    calibrations = frames.of_group(FrameGroup.CALIB)
    products = []
    for number, frame in enumerate(frames.of_group(FrameGroup.RAW), start=1):
        header = fits.getheader(frame.path)
        lit = _arms_on_objects(frame)
        if not lit:
            continue
        hdus = fits.HDUList([fits.PrimaryHDU(), *_extensions(Layout.CUBES, 1.0, lit)])
        for arm in lit:
            place = tuple(_degrees(float(header[f"ESO OCS ARM{arm} {axis}"])) for axis in ("ALPHA", "DELTA"))
            for what in ("DATA", "NOISE"):
                hdus[f"IFU.{arm}.{what}"].header.update(_cube_cards(15 * place[0], place[1]))
        name = f"sci_reconstructed_{number:03d}.fits"
        products.append(Product(name, "SCI_RECONSTRUCTED", hdus, (frame, *calibrations)))
    return products


def combine(
    _work: Work, frames: Frames, _parameters: ParameterValues, _messages: Messages
) -> Sequence[Product]:
    """Return a COMBINED_CUBE for each object: the mean of its cubes."""
    cubes: dict[str, list[tuple[Frame, int]]] = {}
    for frame in frames.of_group(FrameGroup.RAW):
        header = fits.getheader(frame.path)
        for arm in _arms_on_objects(frame):
            cubes.setdefault(str(header[f"ESO OCS ARM{arm} NAME"]), []).append((frame, arm))
    return [_combined(number, name, cubes[name]) for number, name in enumerate(sorted(cubes), start=1)]


def _combined(number: int, name: str, cubes: Sequence[tuple[Frame, int]]) -> Product:
    data, noise = [], []
    for frame, arm in cubes:
        with fits.open(frame.path, memmap=False) as hdus:
            cards = hdus[f"IFU.{arm}.DATA"].header.copy()
            data.append(hdus[f"IFU.{arm}.DATA"].data)
            noise.append(hdus[f"IFU.{arm}.NOISE"].data)
    mean = np.mean(data, axis=0, dtype=np.float32)
    error = (np.sqrt(np.sum(np.square(noise), axis=0)) / len(noise)).astype(np.float32)
    made = fits.HDUList([fits.PrimaryHDU()])
    for what, values in (("DATA", mean), ("NOISE", error)):
        made.append(fits.ImageHDU(values, cards, name=f"{name}.{what}"))
    used = tuple(frame for frame, _ in cubes)
    return Product(f"combined_cube_{number:02d}.fits", "COMBINED_CUBE", made, used)


def _arms_on_objects(frame: Frame) -> tuple[int, ...]:
    header = fits.getheader(frame.path)
    return tuple(arm for arm in ALL_ARMS if header.get(f"ESO OCS ARM{arm} TYPE") == "O")


def _degrees(sexagesimal: float) -> float:
    """HHMMSS.TTT or DDMMSS.TTT as a number of hours or degrees."""
    size = abs(sexagesimal)
    whole = size // 10_000 + size % 10_000 // 100 / 60 + size % 100 / 3600
    return -whole if sexagesimal < 0 else whole


def _cube_cards(ra_deg: float, dec_deg: float) -> dict[str, str | float]:
    middle = SPAXELS / 2 + 0.5
    return {
        "BUNIT": FLUX_UNIT,
        "CTYPE1": "RA---TAN", "CUNIT1": "deg", "CRVAL1": ra_deg, "CRPIX1": middle,
        "CTYPE2": "DEC--TAN", "CUNIT2": "deg", "CRVAL2": dec_deg, "CRPIX2": middle,
        "CD1_1": -SPAXEL_DEG, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SPAXEL_DEG,
        "CTYPE3": "WAVE", "CUNIT3": "um", "CRVAL3": FIRST_UM, "CRPIX3": 1.0,
        "CD3_3": (LAST_UM - FIRST_UM) / (PLANES - 1),
    }  # fmt: skip


def _extensions(layout: Layout, level: float, lit: Collection[int]) -> Iterator[fits.ImageHDU]:
    rng = np.random.default_rng(1)
    prefix, number = ("DET", N_DETECTORS) if layout is Layout.DETECTORS else ("IFU", N_ARMS)
    shape = {
        Layout.DETECTORS: (DETECTOR_PIXELS, DETECTOR_PIXELS),
        Layout.IMAGES: (SPAXELS, SPAXELS),
        Layout.CUBES: (PLANES, SPAXELS, SPAXELS),
        Layout.SPECTRA: (PLANES,),
    }[layout]
    for place in range(1, number + 1):
        data = noise = None
        if layout is Layout.DETECTORS or place in lit:
            noise = np.full(shape, 0.1, dtype=np.float32)
            data = (level + noise * rng.standard_normal(shape)).astype(np.float32)
        yield fits.ImageHDU(data, name=f"{prefix}.{place}.DATA")
        yield fits.ImageHDU(noise, name=f"{prefix}.{place}.NOISE")


#: Recipes that write a product for each frame, or for each object.
_OWN_WAYS: dict[str, Callable[[Work, Frames, ParameterValues, Messages], Sequence[Product]]] = {
    "kmos_sci_red": reconstruct,
    "kmos_combine": combine,
}


def _recipe(name: str, work: Work) -> Recipe:
    return Recipe(
        name=name,
        title=f"STAND-IN for {name}",
        description=f"Writes {', '.join(work.products)} with numbers that mean nothing.",
        inputs=(
            *(InputClass(tag) for tag in work.raw),
            *(InputClass(tag, FrameGroup.CALIB) for tag in work.calibrations),
        ),
        parameters=(),
        reduce=partial(_OWN_WAYS.get(name, reduce), work),
    )


PIPELINE = Pipeline(
    "stand-in",
    "1.0.0",
    tuple(_recipe(name, work) for name, work in WORKS.items()),
    notice="STAND-IN: not ESO's KMOS pipeline; its products hold no measurement",
)

if __name__ == "__main__":
    sys.exit(run(PIPELINE, sys.argv[1:]))
