"""The digest of a batch: its report as a mail (plain text and HTML) and as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from phoenix.model.report import BatchReport, printable

#: Rows of one table in HTML; the rest is counted. The JSON holds all.
_MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class Digest:
    """One message about one batch, in the forms the channels need.

    Attributes
    ----------
    id
        The same for the same report, so that a receiver can tell a repetition.
    payload
        JSON-ready: the report with ``id`` and ``title``.
    """

    id: str
    subject: str
    text: str
    html: str
    payload: dict[str, Any]


def build(report: BatchReport) -> Digest:
    """Return the digest of a report; all texts in it are taken as hostile."""
    content = report.as_dict()
    identity = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    subject = (
        f"{report.title}, {len(report.troubled)} ABs without product, "
        f"{len(report.not_ingested)} IDPs not ingested, {len(report.held)} held, {len(report.reds)} reds"
    )
    return Digest(
        identity,
        printable(subject),
        as_text(report) + "\n",
        as_html(report),
        {"id": identity, "title": report.title, **content},
    )


def as_text(report: BatchReport) -> str:
    """Return the report as plain text, safe to print on a terminal."""
    return report.text()


def as_html(report: BatchReport) -> str:
    """Return the report as a page of its own; every value is escaped, no link comes from a header."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("phoenix.monitor"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What is harmless to a browser may still turn the direction of writing for the reader.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template("digest.html").render(report=report, most=_MOST_ROWS)
