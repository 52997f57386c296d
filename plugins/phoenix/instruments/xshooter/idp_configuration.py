"""What an XSHOOTER release configures for its conversion."""

from __future__ import annotations

from pydantic import Field

from phoenix.config.base import Strict
from phoenix.errors import ConfigError


class XshooterConversion(Strict):
    """``conversion.config`` of an XSHOOTER release."""

    resolving_power: dict[str, dict[float, float]] = Field(
        description="SPEC_RES by arm (UVB, VIS, NIR) and width of the slit in arcsec"
    )
    total_flux_arcsec: float = Field(
        gt=0, description="slits of at least this width pass all light: TOT_FLUX is T"
    )
    origin: str = Field(description="where the numbers come from")

    def power_of(self, release: str, arm: str, slit_arcsec: float) -> float:
        """Return the resolving power of a slit; ``ConfigError`` if none is given."""
        powers = self.resolving_power.get(arm, {})
        if slit_arcsec not in powers:
            raise ConfigError(
                f"release {release}, field conversion.config.resolving_power.{arm}",
                f"has no slit of {slit_arcsec} arcsec",
                f"one of {', '.join(map(str, sorted(powers))) or '(none)'}",
                "add it to the release",
            )
        return powers[slit_arcsec]
