# ruff: noqa: INP001 (one module, copied into an image)
"""STAND-IN for ESO's KMOS recipes: their names, tags and layout of products, and numbers that mean nothing.

It lets tests run what surrounds a recipe: SOF, container, verdict, cascade, refusal by the archive. The
layout is that of ESO's documents; no product of the real pipeline was ever at hand to compare with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np
from astropy.io import fits

from phoenix.recipes.contract import run
from phoenix.recipes.frames import FrameGroup, Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import ParameterValues
from phoenix.recipes.product import Product
from phoenix.recipes.recipe import Pipeline, Recipe

N_ARMS = 24
N_DETECTORS = 3
#: Far smaller than the real ones: 2048 pixels a side, 14 x 14 spaxels, 2048 planes.
DETECTOR_PIXELS = 64
SPAXELS, PLANES = 14, 32


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
    """Return one product of each category; the mean of its data is the number of raw frames."""
    level = float(len(frames.of_group(FrameGroup.RAW)))
    return [
        Product(
            f"{category.lower()}.fits",
            category,
            fits.HDUList([fits.PrimaryHDU(), *_extensions(layout, level)]),
        )
        for category, layout in work.products.items()
    ]


def _extensions(layout: Layout, level: float) -> Iterator[fits.ImageHDU]:
    rng = np.random.default_rng(1)
    prefix, number = ("DET", N_DETECTORS) if layout is Layout.DETECTORS else ("IFU", N_ARMS)
    shape = {
        Layout.DETECTORS: (DETECTOR_PIXELS, DETECTOR_PIXELS),
        Layout.IMAGES: (SPAXELS, SPAXELS),
        Layout.CUBES: (PLANES, SPAXELS, SPAXELS),
        Layout.SPECTRA: (PLANES,),
    }[layout]
    for place in range(1, number + 1):
        noise = np.full(shape, 0.1, dtype=np.float32)
        data = (level + noise * rng.standard_normal(shape)).astype(np.float32)
        yield fits.ImageHDU(data, name=f"{prefix}.{place}.DATA")
        yield fits.ImageHDU(noise, name=f"{prefix}.{place}.NOISE")


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
        reduce=partial(reduce, work),
    )


PIPELINE = Pipeline(
    "stand-in",
    "1.0.0",
    tuple(_recipe(name, work) for name, work in WORKS.items()),
    notice="STAND-IN: not ESO's KMOS pipeline; its products hold no measurement",
)

if __name__ == "__main__":
    sys.exit(run(PIPELINE, sys.argv[1:]))
