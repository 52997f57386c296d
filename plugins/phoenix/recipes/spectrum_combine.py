"""``phoenix_spectrum_combine``: the stack of the exposures of an observation block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phoenix.recipes.combine import Rejection
from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import Frame, Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import Parameter, ParameterValues
from phoenix.recipes.product import Product
from phoenix.recipes.recipe import Recipe
from phoenix.recipes.series import Exposure, Stack, stack
from phoenix.recipes.spectrum_images import PAIRS, images_of, read_images
from phoenix.recipes.spectrum_tables import read_tables, table_of

_STACK = "STACK_"
#: Of two exposures each outlier is one of two values and spoils the mean; of more it matters less.
_REJECTED_UP_TO = 2


def spectrum_combine(frames: Frames, parameters: ParameterValues, messages: Messages) -> Sequence[Product]:
    """Return one stack for each spectrum that has at least two exposures.

    Raises
    ------
    ReductionError
        If inputs are malformed or cannot be aligned, or no spectrum has two exposures.
    """
    images = [frame for frame in frames if frame.tag.startswith((*PAIRS, *PAIRS.values()))]
    tables = [frame for frame in frames if frame not in images]
    products = [
        *_of_images(read_images(images), parameters, messages),
        *_of_tables(read_tables(tables), parameters, messages),
    ]
    if not products:
        raise ReductionError(
            CplCode.DATA_NOT_FOUND, "inputs", "no spectrum has two exposures", "at least two of one spectrum"
        )
    return products


def _of_images(
    series: dict[str, list[Exposure]], parameters: ParameterValues, messages: Messages
) -> Iterator[Product]:
    for tag, one in _stacks(series, parameters, messages):
        for name, hdus in images_of(tag, one).items():
            catg = f"{_STACK}{name}"
            yield Product(f"{catg.lower()}.fits", catg, hdus, _used(one), one.exposures[0].frames[0])


def _of_tables(
    series: dict[str, list[Exposure]], parameters: ParameterValues, messages: Messages
) -> Iterator[Product]:
    for number, (_, one) in enumerate(_stacks(series, parameters, messages), 1):
        first = one.exposures[0].frames[0]
        # Numbered, not named: OBJECT is foreign text.
        yield Product(f"stack_{number:03d}.fits", f"{_STACK}{first.tag}", table_of(one), _used(one), first)


def _stacks(
    series: dict[str, list[Exposure]], parameters: ParameterValues, messages: Messages
) -> Iterator[tuple[str, Stack]]:
    for name, exposures in series.items():
        if len(exposures) < 2:
            messages.info(f"{name}: one exposure, no stack")
            continue
        one = stack(name, exposures, parameters.text("weights"), _rejection(parameters, len(exposures)))
        combined = next(iter(one.quantities.values()))
        messages.info(
            f"{name}: {len(exposures)} exposures, {one.resampled} resampled, shifts up to "
            f"{abs(one.shifts_kms).max():.3f} km/s, {combined.rejected.sum()} values rejected"
        )
        yield name, one


def _rejection(parameters: ParameterValues, exposures: int) -> Rejection | None:
    rule = parameters.text("reject")
    if rule == "off" or (rule == "auto" and exposures > _REJECTED_UP_TO):
        return None
    kappa_low = parameters.number("kappa-low")
    return Rejection(parameters.number("kappa-high"), kappa_low if kappa_low > 0 else float("inf"))


def _used(one: Stack) -> tuple[Frame, ...]:
    return tuple(frame for exposure in one.exposures for frame in exposure.frames)


SPECTRUM_COMBINE = Recipe(
    name="phoenix_spectrum_combine",
    title="Combine exposures of one object into one spectrum, with errors and rejection of outliers",
    description=(
        "Spectra are tables of one row with WAVE, FLUX_REDUCED and ERR_REDUCED, one per fibre (FPS), or\n"
        "images RED_* with ERRORBAR_* and FLUXCAL_* with FLUXCAL_ERRORBAR_*. Exposures are moved into the\n"
        "rest frame of the first one by their barycentric corrections and brought to its bins, light kept;\n"
        "spectra that are heliocentric already are not moved. Errors of resampled bins are those of the\n"
        "light that went in: bins share noise, which is not kept, and sums over bins get the right error.\n"
        "The mean has one weight per exposure. With two exposures, values more than kappa-high standard\n"
        "deviations above the other are left out; with more, nothing is, unless asked for. Where one is\n"
        "left out the others stand for it at its level."
    ),
    inputs=(
        *(
            InputClass(f"{begin}*", description=words)
            for begin, words in (
                ("FLUXCAL_ERRORBAR_", "errors of calibrated fluxes"),
                ("FLUXCAL_", "calibrated fluxes"),
                ("ERRORBAR_", "errors of reduced fluxes"),
                ("RED_", "reduced fluxes"),
                ("SCIENCE_RBNSPEC_IDP", "table of one fibre"),
            )
        ),
    ),
    parameters=(
        Parameter("reject", "auto", "Outliers: auto rejects with two exposures only.", ("auto", "on", "off")),
        Parameter("kappa-high", 3.0, "Limit above the others, standard deviations.", at_least=1.0),
        Parameter("kappa-low", 0.0, "Limit below the others; 0: none.", at_least=0.0),
        Parameter(
            "weights", "equal", "Weight of an exposure.", choices=("equal", "exptime", "inverse-variance")
        ),
    ),
    reduce=spectrum_combine,
)
