"""What a second step sees of the ABs before it: stacks and combinations take products, not raw frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phoenix.association.traits import Traits
from phoenix.association.words import Words
from phoenix.config.rules import Task
from phoenix.model.ab import AssociationBlock, ProductInput, RawFile, reference
from phoenix.model.frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """An AB whose products a second step may take.

    Attributes
    ----------
    frame, traits
        Its primary frame, which speaks for it.
    raws
        All raw frames its products go back to.
    inputs
        The products that would be taken of it; empty when it is not to make all that are required.
    defect
        Why it cannot be processed itself; empty when it can.
    """

    ab: AssociationBlock
    frame: Frame
    traits: Traits
    raws: tuple[RawFile, ...]
    inputs: tuple[ProductInput, ...]
    defect: str


@dataclass(frozen=True, slots=True)
class Processed:
    """An AB of another release that is processed: what deep ABs are made of.

    Attributes
    ----------
    frame
        Its primary frame, which speaks for it.
    raws
        All raw frames its products go back to.
    defect
        Why its products must not be used; empty when they may.
    """

    ab: AssociationBlock
    frame: Frame
    raws: tuple[RawFile, ...]
    defect: str = ""


@dataclass(frozen=True, slots=True)
class ObservingRun:
    """A run ``099.A-0023(B)`` with its processed ABs, whose key stands in place of the night.

    Attributes
    ----------
    lost
        Names of ABs whose primary frame is not in the catalogue any more.
    """

    key: str
    processed: tuple[Processed, ...]
    lost: tuple[str, ...] = ()


def products_taken(task: Task, ab: AssociationBlock, words: Words, release: str) -> tuple[ProductInput, ...]:
    """Return the products a second step of a release takes of an AB; none when a required one is not made."""
    taken: list[ProductInput] = []
    for entry in task.inputs:
        if entry.made_by == ab.task:
            tags = words.made(entry.product, ab.expected)
            if entry.required and not tags:
                return ()
            name = reference(ab, release)
            taken += [ProductInput(name, tag, entry.required, ab.level) for tag in tags]
    return tuple(taken)


def lacking_product(task: Task, ab: AssociationBlock, words: Words) -> str:
    """Return the first required product an AB is not to make; empty when it makes all."""
    asked = (entry.product for entry in task.inputs if entry.made_by == ab.task and entry.required)
    return next((product for product in asked if not words.made(product, ab.expected)), "")


def common_tags(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the PRO.CATG that all members make, in order."""
    if not members:
        return ()
    shared = set.intersection(*({entry.tag for entry in member.inputs} for member in members))
    return tuple(dict.fromkeys(entry.tag for entry in members[0].inputs if entry.tag in shared))
