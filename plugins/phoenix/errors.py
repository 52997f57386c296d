"""The one error type users meet: which thing, what was found, what was expected, what to do next."""

from __future__ import annotations

from typing import ClassVar


class PhoenixError(Exception):
    """An error a person can act on.

    Parameters
    ----------
    subject : str
        The file, AB, frame or field the error is about.
    found : str
        What was found there.
    expected : str, optional
        What was expected instead.
    remedy : str, optional
        The next step for the reader, ideally a command.
    """

    #: Stable identifier shown in messages, pages and the database.
    code: ClassVar[str] = "PHX"
    #: Exit code of the command line: 1 findings, 2 usage or configuration, 3 infrastructure.
    exit_code: ClassVar[int] = 1

    def __init__(self, subject: str, found: str, expected: str = "", remedy: str = "") -> None:
        self.subject = subject
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(subject, found, expected, remedy)

    def __str__(self) -> str:
        parts = [f"{self.subject}: {self.found}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        text = "; ".join(parts) + f" [{self.code}]"
        return f"{text}\n  -> {self.remedy}" if self.remedy else text


class ConfigError(PhoenixError):
    """A file under ``include/config`` is wrong; names file and field."""

    code = "CONFIG"
    exit_code = 2


class UsageError(PhoenixError):
    """A command or a batch was asked for in a way that cannot be done."""

    code = "USAGE"
    exit_code = 2


class HeaderError(PhoenixError):
    """A FITS or ``.hdr`` header cannot be read; names file and card."""

    code = "HEADER"


class AssociationError(PhoenixError):
    """An AB cannot be made, read or completed."""

    code = "ASSOCIATION"


class RecipeError(PhoenixError):
    """A recipe job cannot be prepared; outcomes of runs are values, not exceptions."""

    code = "RECIPE"


class QcError(PhoenixError):
    """A QC1 parameter cannot be measured or a report not drawn."""

    code = "QC"


class IdpError(PhoenixError):
    """A product cannot be converted to an IDP, or an IDP breaks the format."""

    code = "IDP"


class ArchiveError(PhoenixError):
    """A file cannot be ingested, or the archive does not hold what it confirmed."""

    code = "ARCHIVE"


class InfrastructureError(PhoenixError):
    """Engine, database, disk or another service is not there; trying again later may help."""

    code = "INFRASTRUCTURE"
    exit_code = 3
