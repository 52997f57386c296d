"""What a MUSE release configures for its conversion."""

from __future__ import annotations

from pydantic import Field

from phoenix.config.base import Strict
from phoenix.errors import ConfigError


class ModeFacts(Strict):
    """What the recipe does not tell of a field mode, or tells as a constant."""

    sky_fwhm_arcsec: float = Field(
        gt=0, description="SKY_RES where no star is measured; the recipe's constant"
    )
    sky_error_arcsec: float = Field(gt=0, description="its uncertainty")
    resolving_power: float = Field(gt=0, description="SPEC_RES where the recipe gives none")
    coordinate_error_arcsec: float = Field(gt=0, description="CSYER1, CSYER2")


class MuseConversion(Strict):
    """``conversion.config`` of a MUSE release."""

    deep: bool = Field(default=False, description="cubes over several OBs, with their exposure map")
    modes: dict[str, ModeFacts] = Field(description="by field mode: WFM, NFM")
    wave_error_angstrom: float = Field(gt=0, description="CRDER3 where the recipe gives none")
    origin: str = Field(description="where the numbers come from")

    def of_mode(self, release: str, mode: str) -> ModeFacts:
        """Return the facts of an INS MODE, e.g. ``WFM-NOAO-N``; ``ConfigError`` if there are none."""
        facts = self.modes.get(mode.partition("-")[0])
        if facts is None:
            raise ConfigError(
                f"release {release}, field conversion.config.modes",
                f"has no entry for mode {mode}",
                f"the field modes {' and '.join(sorted(self.modes))}",
                "add it to the release",
            )
        return facts
