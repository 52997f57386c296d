"""Names of ABs: ``<INSTR>.<timestamp of the first raw>[_<event>].ab``."""

from __future__ import annotations

import re

from phoenix.errors import AssociationError
from phoenix.model.frame import Frame

#: An ARCFILE of ESO's archive. Names become paths, so nothing else may pass.
_ARCFILE = re.compile(r"([A-Z][A-Z0-9_]{2,9}\.\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(?:\.fits)?", re.ASCII)


def ab_name(first: Frame, event: str) -> str:
    """Return the name of the AB whose first raw frame this is.

    Raises
    ------
    AssociationError
        If its ARCFILE has another form; header text never becomes a path unchecked.
    """
    match = _ARCFILE.fullmatch(first.name)
    if match is None:
        raise AssociationError(
            first.path,
            f"ARCFILE {first.name[:80]!r} cannot name an AB",
            "<INSTR>.<yyyy-mm-ddThh:mm:ss.sss>.fits",
            "mend ARCFILE in the header, or the file's name if there is no ARCFILE",
        )
    return f"{match[1]}_{event}.ab" if event else f"{match[1]}.ab"
