"""How long recipes took, for those who plan what runs next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from phoenix.model.outcome import Outcome
from phoenix.store.tables import AbRow, AttemptRow

#: NO_WORK ends at once and says nothing about the next AB.
_WORKED = (Outcome.OK.value, Outcome.CAVEATS.value)

#: A setting as a key: its match keys with their values, sorted.
SettingKey = tuple[tuple[str, str], ...]


def setting_key(setting: Mapping[str, Any]) -> SettingKey:
    """Return a setting as a key."""
    return tuple(sorted((name, str(value)) for name, value in setting.items()))


def median_seconds(session: Session, instrument: str, recipe: str) -> dict[SettingKey, float]:
    """Return the median wall time of good attempts of a recipe, of all releases, by setting; in seconds."""
    wall_s = func.extract("epoch", AttemptRow.ended_at - AttemptRow.started_at)
    rows = session.execute(
        select(AbRow.setting, func.percentile_cont(0.5).within_group(wall_s))
        .join(AttemptRow, AttemptRow.ab_id == AbRow.id)
        .where(AbRow.instrument == instrument, AbRow.recipe == recipe, AttemptRow.outcome.in_(_WORKED))
        .group_by(AbRow.setting)
    )
    return {setting_key(setting): float(median) for setting, median in rows}
