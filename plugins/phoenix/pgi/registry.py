"""PGIs known by name and version."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock


@dataclass(frozen=True, slots=True)
class PgiContext:
    """What a PGI may know besides the AB and its own configuration.

    Attributes
    ----------
    origin
        File and field its configuration comes from, for error messages.
    combined_in
        Names of the second-step ABs, stacks for instance, that take products of this one.
    """

    release: str
    instrument: str
    origin: str
    combined_in: tuple[str, ...] = ()


#: Returns the AB as it shall be; the AB given is never changed, since it is frozen.
Edit = Callable[[AssociationBlock, Any, PgiContext], AssociationBlock]


@dataclass(frozen=True, slots=True)
class RegisteredPgi:
    """A PGI: name, version and the function that edits."""

    name: str
    version: str
    edit: Edit


@dataclass(slots=True)
class _Registry:
    by_name: dict[str, RegisteredPgi] = field(default_factory=dict)


_registry = _Registry()


def pgi(name: str, version: str) -> Callable[[Edit], Edit]:
    """Register a function as PGI; the version changes whenever its effect does.

    Raises
    ------
    ValueError
        If another function has that name: two plug-ins under one name would make the ledger lie.
    """

    def register(edit: Edit) -> Edit:
        known = _registry.by_name.get(name)
        if known is not None and known.edit is not edit:
            raise ValueError(
                f"PGI {name} is registered twice, by {known.edit.__module__} and {edit.__module__}"
            )
        _registry.by_name[name] = RegisteredPgi(name, version, edit)
        return edit

    return register


def find_pgi(name: str, origin: str) -> RegisteredPgi:
    """Return a PGI by name.

    Parameters
    ----------
    origin : str
        File and field that ask for it.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = _registry.by_name.get(name)
    if found is None:
        known = sorted(_registry.by_name)
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            origin,
            f"there is no PGI {name}",
            f"one of {', '.join(known) or '(none)'}",
            f"did you mean {near[0]}?" if near else "mend the name, or write instruments/<instrument>/pgi.py",
        )
    return found
