"""What the simulated nights hold, template by template, for the truth file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from phoenix.simulation.schedule import Night, Setup, Template
from phoenix.simulation.stamps import arcfile, second_stamp


def contents_of(
    nights: Iterable[Night[Setup]], archive_prefix: str, own: Callable[[Template[Setup]], dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """List the templates of each night, by its date.

    Parameters
    ----------
    nights : iterable of Night
    archive_prefix : str
        Begins the names of frames in the archive.
    own : callable
        What the instrument tells of a template besides its block, times and frames.
    """
    return {
        night.date.isoformat(): [
            {
                **own(template),
                "ob_id": template.block.ob_id,
                "tpl_start": second_stamp(template.start),
                "tpl_nexp": template.planned,
                "arcfiles": [arcfile(archive_prefix, start) for start in template.starts],
            }
            for template in night.templates
        ]
        for night in nights
    }
