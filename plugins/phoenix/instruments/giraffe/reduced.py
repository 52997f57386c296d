"""One exposure as giscience left it: the spectra of its fibres, ready to be written as IDPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field

from phoenix.config.base import Strict
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.card import MAX_STRING, format_card
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import raw_cards, recipe_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.sdp import Ancillary, Observation, extension_cards, primary_cards, score_cards
from phoenix.idp.spectrum import encode_spectrum
from phoenix.instruments.giraffe.exposure import GiraffeExposure, read_exposure
from phoenix.instruments.giraffe.fibre import Fibre, read_fibre

FIBRE = "SCIENCE_RBNSPEC_IDP"
_VELOCITIES = {
    "GEOCORR": "[km/s] to the geocentre",
    "HELICORR": "[km/s] to the Sun",
    "BARYCORR": "[km/s] to the barycentre",
}


class GiraffeConversion(Strict):
    """``conversion.config`` of a GIRAFFE release."""

    resolving_power: dict[str, float] = Field(description="by setup, INS EXP MODE")
    fibre_arcsec: float = Field(gt=0, description="diameter of a MEDUSA fibre on the sky")
    origin: str = Field(description="where the numbers come from")


@dataclass(frozen=True)
class Single:
    """A fibre of an exposure as a file."""

    of: ReducedExposure
    fibre: Fibre

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.of.exposure.stem(self.of.job.prefix, 'SIDP', self.fibre.fps)}.fits"

    @property
    def title(self) -> str:
        """TITLE, unique in the collection."""
        exposure = self.of.exposure
        return title_of(self.observation.target, Path(exposure.arcfile).stem, exposure.setup, self.fibre.fps)

    @cached_property
    def observation(self) -> Observation:
        """What was observed through the fibre."""
        return self.of.exposure.observation(self.fibre.primary, pipeline_of(self.of.job, self.fibre.primary))

    def encode(self, category: str, ancillaries: Sequence[Ancillary]) -> bytes:
        """Return the file."""
        return encode_fibre(
            self.of, self.of.job, self.fibre, self.observation, self.title, category, ancillaries
        )


@dataclass(frozen=True)
class ReducedExposure:
    """An exposure, its raw frame and the spectra of its fibres by FPS."""

    job: ConversionJob
    exposure: GiraffeExposure
    configuration: GiraffeConversion
    fibres: Mapping[int, Fibre]

    @cached_property
    def kept_cards(self) -> list[str]:
        """Cards of the raw frame all its IDPs keep."""
        return raw_cards(self.exposure.raw)

    @property
    def resolving_power(self) -> float:
        """SPEC_RES of the setup."""
        power = self.configuration.resolving_power.get(self.exposure.setup)
        if power is None:
            raise ConfigError(
                "field conversion.config.resolving_power",
                f"has no setup {self.exposure.setup}",
                "every setup of the release",
                "add it to the release",
            )
        return power

    def single(self, fps: int) -> Single:
        """Return the file of one fibre."""
        return Single(self, self.fibres[fps])


def read_reduced(job: ConversionJob) -> ReducedExposure:
    """Read the raw frame and the spectra of all fibres of an exposure.

    Raises
    ------
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    if len(job.raws) != 1:
        raise IdpError(job.ab.name, f"{len(job.raws)} raw frames", "one exposure")
    exposure = read_exposure(read_fits(job.raws[0]).primary, job.raws[0].name)
    return ReducedExposure(job, exposure, job.configured(GiraffeConversion), read_fibres(job, FIBRE))


def read_fibres(job: ConversionJob, pro_catg: str) -> dict[int, Fibre]:
    """Return the spectra of that PRO.CATG by FPS.

    Raises
    ------
    IdpError
        If there is none, or two are of one fibre.
    """
    fibres: dict[int, Fibre] = {}
    for product in job.all_of(pro_catg):
        fibre = read_fibre(Path(product.path))
        if fibre.fps in fibres:
            raise IdpError(job.ab.name, f"two products {pro_catg} of fibre {fibre.fps}", "one of each fibre")
        fibres[fibre.fps] = fibre
    if not fibres:
        raise IdpError(
            job.ab.name,
            f"there is no product {pro_catg}",
            "a spectrum for each fibre on a target",
            "run the recipe with generate-SDP-format=true",
        )
    return fibres


def encode_fibre(
    exposure: ReducedExposure,
    job: ConversionJob,
    fibre: Fibre,
    observation: Observation,
    title: str,
    category: str,
    ancillaries: Sequence[Ancillary],
) -> bytes:
    """Return the file of a fibre's spectrum.

    Parameters
    ----------
    exposure : ReducedExposure
        The exposure, or the first one of a stack.
    job : ConversionJob
        The conversion of the exposure, or of the stack.
    """
    calibration = fibre.calibration(exposure.resolving_power, exposure.configuration.fibre_arcsec)
    spectrum = fibre.spectrum()
    primary = [
        *primary_cards(observation, calibration, ancillaries, job.converted_at, category),
        format_card("FPS", fibre.fps, "place of the fibre in the slit"),
        *_velocities(fibre.primary),
        *score_cards(job.score_bits(f"{fibre.fps:03d}")),
        *provenance_cards(job.ab, job.provenance),
        *exposure.kept_cards,
        *recipe_cards([("", fibre.primary)], fibre.primary.text("PRO.CATG")),
    ]
    return encode_spectrum(primary, extension_cards(observation, calibration, spectrum, title), spectrum)


def title_of(target: str, exposure: str, setup: str, fps: int, end: str = "") -> str:
    """Return target, exposure, setup and fibre; the setup gives way where the target's name is long."""
    longest = f"{target}_{exposure}_{setup}_{fps:03d}{end}"
    return longest if len(longest) <= MAX_STRING else f"{target}_{exposure.split('.', 1)[-1]}_{fps:03d}{end}"


def pipeline_of(job: ConversionJob, primary: Hdu) -> str:
    """Return PROCSOFT: the pipeline of the recipe that made the product."""
    text = primary.text("PRO.REC1.PIPE.ID") or job.provenance.pipeline_version
    if not text:
        raise IdpError(
            job.ab.name, "nothing tells the pipeline's version", "ESO PRO REC1 PIPE ID in the products"
        )
    return text


def _velocities(primary: Hdu) -> list[str]:
    found = ((keyword, primary.number(keyword), comment) for keyword, comment in _VELOCITIES.items())
    return [format_card(keyword, value, comment) for keyword, value, comment in found if value is not None]
