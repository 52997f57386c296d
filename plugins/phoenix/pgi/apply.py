"""Applies the PGIs of a release to an AB, in order, each at most once, and shows what they change."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from phoenix.config.release import Pgi
from phoenix.errors import AssociationError
from phoenix.model.ab import AssociationBlock, PgiEntry
from phoenix.model.ab_text import write
from phoenix.pgi.registry import PgiContext, find_pgi

#: What makes an AB the one it is; a PGI that changed them would break the store.
_IDENTITY = ("name", "release", "instrument", "date", "task", "pgis")


@dataclass(frozen=True, slots=True)
class Edited:
    """An AB after its PGIs.

    Attributes
    ----------
    applied
        Names of PGIs applied now.
    skipped
        One sentence for each PGI that was not, because the ledger has it.
    """

    ab: AssociationBlock
    applied: tuple[str, ...]
    skipped: tuple[str, ...]


def apply_pgis(
    ab: AssociationBlock, pgis: Sequence[Pgi], origin: str, combined_in: Sequence[str] = ()
) -> Edited:
    """Apply the PGIs the AB's ledger does not have yet, and enter them.

    Parameters
    ----------
    origin : str
        File the configuration comes from, e.g. ``releases/UVES_R3.yaml``.
    combined_in : sequence of str
        Names of the second-step ABs that take products of this one.

    Raises
    ------
    ConfigError
        If a PGI does not exist or its configuration is wrong; names file and field.
    AssociationError
        If a PGI changed what makes the AB the one it is.
    """
    applied: list[str] = []
    skipped: list[str] = []
    for index, configured in enumerate(pgis):
        field = f"{origin}, field pgis.{index}"
        plugin = find_pgi(configured.name, f"{field}.name")
        entry = PgiEntry(plugin.name, plugin.version, config_sha256(configured.config))
        earlier = next((done for done in ab.pgis if done.name == entry.name), None)
        if earlier is not None:
            skipped.append(_why_skipped(ab, earlier, entry))
            continue
        context = PgiContext(ab.release, ab.instrument, f"{field}.config", tuple(combined_in))
        edited = plugin.edit(ab, configured.config, context)
        _same_identity(ab, edited, plugin.name)
        ab = replace(edited, pgis=(*edited.pgis, entry))
        applied.append(plugin.name)
    return Edited(ab, tuple(applied), tuple(skipped))


def config_sha256(config: Any) -> str:
    """Return the hash of a PGI's configuration, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def diff(before: AssociationBlock, after: AssociationBlock) -> str:
    """Return what changes in the text form, as a unified diff; empty when nothing does."""
    lines = difflib.unified_diff(
        write(before).splitlines(keepends=True),
        write(after).splitlines(keepends=True),
        f"{before.name} as it is",
        f"{after.name} after the PGIs",
    )
    return "".join(lines)


def _why_skipped(ab: AssociationBlock, earlier: PgiEntry, entry: PgiEntry) -> str:
    if earlier == entry:
        return f"{ab.name}: {entry.name} was applied before"
    return (
        f"{ab.name}: {entry.name} was applied before, in version {earlier.version} with configuration "
        f"{earlier.config_sha256[:8]}, now {entry.version} with {entry.config_sha256[:8]}; "
        "create the AB anew to apply it"
    )


def _same_identity(before: AssociationBlock, after: AssociationBlock, name: str) -> None:
    for attribute in _IDENTITY:
        if getattr(before, attribute) != getattr(after, attribute):
            raise AssociationError(
                f"AB {before.name}",
                f"PGI {name} changed its {attribute}",
                f"{', '.join(_IDENTITY)} as they were",
                "mend the PGI",
            )
