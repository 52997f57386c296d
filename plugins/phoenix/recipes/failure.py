"""How a recipe ends badly: with a number of CPL's error codes, which becomes the exit code."""

from __future__ import annotations

from enum import IntEnum

from phoenix.errors import RecipeError


class CplCode(IntEnum):
    """The numbers of CPL's error codes that our recipes use, and 255 for a command line refused."""

    UNSPECIFIED = 1
    FILE_IO = 5
    BAD_FILE_FORMAT = 6
    FILE_NOT_FOUND = 9
    DATA_NOT_FOUND = 10
    INCOMPATIBLE_INPUT = 13
    ILLEGAL_INPUT = 14
    COMMAND_LINE = 255


class ReductionError(RecipeError):
    """A recipe cannot do its work.

    Parameters
    ----------
    cpl_code : CplCode
        Becomes the exit code.
    subject, found, expected, remedy
        As for every error a person meets.
    """

    def __init__(
        self, cpl_code: CplCode, subject: str, found: str, expected: str = "", remedy: str = ""
    ) -> None:
        super().__init__(subject, found, expected, remedy)
        self.cpl_code = cpl_code
