"""What a KMOS release configures for its conversion."""

from __future__ import annotations

from pydantic import Field

from phoenix.config.base import Strict
from phoenix.errors import ConfigError


class KmosConversion(Strict):
    """``conversion.config`` of a KMOS release."""

    resolving_power: dict[str, float] = Field(description="SPEC_RES by grating")
    coordinate_error_arcsec: float = Field(gt=0, description="CSYER1, CSYER2")
    least_filled: float = Field(
        default=0.5, gt=0, le=1, description="part of the spaxels a plane has values in to count as science"
    )
    origin: str = Field(description="where the numbers come from")

    def power_of(self, release: str, grating: str) -> float:
        """Return the resolving power of a grating, e.g. ``HK``; ``ConfigError`` if there is none."""
        found = self.resolving_power.get(grating)
        if found is None:
            raise ConfigError(
                f"release {release}, field conversion.config.resolving_power",
                f"has no entry for grating {grating}",
                f"the gratings {', '.join(sorted(self.resolving_power))}",
                "add it to the release",
            )
        return found
