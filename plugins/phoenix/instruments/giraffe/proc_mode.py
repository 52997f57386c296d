"""PROC_MODE of GIRAFFE's stacks: one flag, read by the PGI before processing and by the converter after it.

HISTORY: single exposures are in the archive already, from the stream of before. Only OBs of several exposures
are processed, and a spectrum of a single exposure is delivered as ancillary file of a stack, never alone.
CURRENT: all OBs are processed; a spectrum that is in no stack is an IDP of its own.

The flag stands in one place, the release's ``pgis``. An AB's ledger keeps the hash of what the PGI read, and
the converter refuses to read anything else: the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from phoenix.config.base import Strict
from phoenix.errors import ConfigError, IdpError
from phoenix.model.ab import AssociationBlock
from phoenix.pgi.apply import config_sha256

#: Name of the PGI.
PROC_MODE = "giraffe_proc_mode"


class ProcMode(StrEnum):
    """What is processed, and what a spectrum of a single exposure is."""

    HISTORY = "HISTORY"
    CURRENT = "CURRENT"


class _Configuration(Strict):
    proc_mode: ProcMode


def parse(config: Any, origin: str) -> ProcMode:
    """Return the flag in a PGI's configuration.

    Raises
    ------
    ConfigError
        If there is none; names the field.
    """
    try:
        return _Configuration.model_validate(config).proc_mode
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (origin, *first["loc"]))
        raise ConfigError(
            place, f"found {first.get('input')!r}"[:200], first["msg"], "proc_mode: HISTORY or CURRENT"
        ) from error


def mode_of(ab: AssociationBlock, pgis: Mapping[str, Any]) -> ProcMode:
    """Return the flag an AB was processed with; CURRENT in a release without it.

    Parameters
    ----------
    pgis : mapping
        Configuration of the release's PGIs by name.

    Raises
    ------
    IdpError
        If the AB never passed the PGI, or passed it when the flag was another.
    """
    if PROC_MODE not in pgis:
        return ProcMode.CURRENT
    mode = parse(pgis[PROC_MODE], f"releases/{ab.release}.yaml, PGI {PROC_MODE}")
    entry = next((entry for entry in ab.pgis if entry.name == PROC_MODE), None)
    if entry is None or entry.config_sha256 != config_sha256(pgis[PROC_MODE]):
        raise IdpError(
            ab.name,
            f"was {'never edited by' if entry is None else 'edited under another configuration of'} "
            f"{PROC_MODE}, the release now says {mode}",
            "one PROC_MODE from the AB to its IDP",
            "create the ABs of the batch anew, or give the release its former PROC_MODE back",
        )
    return mode
