"""The order of ABs that wait for one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from phoenix.errors import AssociationError
from phoenix.model.ab import AssociationBlock


def waits(abs_: Iterable[AssociationBlock]) -> dict[str, tuple[str, ...]]:
    """Return for each AB the names of those it waits for."""
    return {ab.name: ab.waits_for for ab in abs_}


def levels(waits_for: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Return the ABs in layers that can run one after the other, each sorted by name.

    ABs that are waited for and are not in the mapping, those of other batches, are taken as done.

    Raises
    ------
    AssociationError
        If ABs wait for each other in a circle, which is named.
    """
    known = {name: [other for other in others if other in waits_for] for name, others in waits_for.items()}
    sorter = TopologicalSorter(known)
    try:
        sorter.prepare()
    except CycleError as error:
        # graphlib gives the cycle from a predecessor to its successor; we name who waits for whom.
        circle = " waits for ".join(reversed(error.args[1]))
        raise AssociationError(
            "cascade", f"ABs wait for each other: {circle}", "an order in which each can run",
            "take one of these VIRTUAL calibrations out of its AB, then phoenix ab accept",
        ) from error  # fmt: skip
    layers = []
    while sorter.is_active():
        layer = sorted(sorter.get_ready())
        layers.append(layer)
        sorter.done(*layer)
    return layers


def downstream(waits_for: Mapping[str, tuple[str, ...]], name: str) -> list[str]:
    """Return all ABs that depend on one, directly or not, in an order they can run in.

    Raises
    ------
    AssociationError
        If ABs wait for each other in a circle.
    """
    affected = {name}
    ordered = [ab for layer in levels(waits_for) for ab in layer]
    for ab in ordered:
        if affected.intersection(waits_for[ab]):
            affected.add(ab)
    return [ab for ab in ordered if ab in affected and ab != name]


def upstream(waits_for: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> set[str]:
    """Return ABs with all that they depend on, directly or not, as far as it is in the mapping."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in waits_for and name not in found:
            found.add(name)
            waiting += waits_for[name]
    return found
