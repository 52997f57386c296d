"""What every source of ABs gives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from phoenix.association.groups import LeftOut
from phoenix.errors import PhoenixError
from phoenix.model.ab import AssociationBlock


class SourceName(StrEnum):
    """The sources, as a person names them."""

    CREATED = "created"
    STORED = "stored"
    CALSELECTOR = "calselector"


@dataclass(frozen=True, slots=True)
class SourcedBlock:
    """An AB with its text and the reasons for what it holds.

    Attributes
    ----------
    night
        The night it is stored with: its own, or where that is not of the batch, the one it was needed for.
    explain
        Gives the reasons, for JSON, as :func:`phoenix.association.explain.explanation` does; told only when
        the AB is new.
    text
        Its text form with comments of its own; empty for the plain one.
    """

    ab: AssociationBlock
    night: str
    explain: Callable[[], dict[str, Any]]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sourced:
    """What a source gives for some nights.

    Attributes
    ----------
    left_out
        Raw frames that are in no AB.
    errors
        (night, error) of ABs that could not be given; the others are not touched by it.
    notes
        (night, sentence): what was noticed and hinders nothing.
    refused
        Names of ABs that are there and could not be given: none of them is withdrawn.
    whole
        False if it is not known which ABs there should be: then nothing is withdrawn.
    """

    blocks: tuple[SourcedBlock, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    errors: tuple[tuple[str, PhoenixError], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    refused: frozenset[str] = frozenset()
    whole: bool = True

    def __add__(self, other: Sourced) -> Sourced:
        return Sourced(
            self.blocks + other.blocks,
            self.left_out + other.left_out,
            self.errors + other.errors,
            self.notes + other.notes,
            self.refused | other.refused,
            self.whole and other.whole,
        )


class AssociationSource(Protocol):
    """Gives the ABs of nights; stores nothing."""

    @property
    def name(self) -> SourceName:
        """The source's name, for reports."""
        ...

    def blocks(self, nights: Collection[str]) -> Sourced:
        """Return the ABs of some nights of the batch.

        Raises
        ------
        ConfigError, UsageError
            If the source itself is not there.
        """
        ...
