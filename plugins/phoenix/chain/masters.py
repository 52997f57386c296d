"""Reverse questions: what a calibration went into, and what follows when it turned out bad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from phoenix.association.cascade import levels
from phoenix.config.loader import Configuration
from phoenix.errors import AssociationError, PhoenixError, UsageError
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.bad_masters import BadMasterRepository, Declaration
from phoenix.store.database import Database
from phoenix.store.masters import MadeIdp, Master, MasterRepository, Usage, index_calibrations


@dataclass(frozen=True, slots=True)
class UsedBy:
    """What calibrations went into.

    Attributes
    ----------
    masters
        What the question meant; several if it was a name of files in several folders.
    bad
        Declarations in force of these.
    users
        ABs, in an order they can run in.
    products, idps
        Of these ABs, by their id.
    unread
        ABs whose texts cannot be read; what they use is not known.
    """

    masters: tuple[Master, ...]
    bad: tuple[Declaration, ...]
    users: tuple[Usage, ...]
    products: dict[int, list[str]]
    idps: dict[int, list[MadeIdp]]
    unread: tuple[PhoenixError, ...] = ()


def used_by(
    database: Database,
    configuration: Configuration,
    words: str,
    tag: str | None = None,
    release: str | None = None,
    since: str | None = None,
) -> UsedBy:
    """Return which ABs of any release a calibration went into, itself or by what was made with it.

    Parameters
    ----------
    words : str
        Path or name of the file, or name of the AB that makes it.
    tag : str, optional
        Only where it is used as this PRO.CATG.
    release : str, optional
        Release of the AB that makes it, where several have one of that name.
    since : str, optional
        Only ABs of this night and later.

    Raises
    ------
    UsageError
        If no such calibration is known.
    AssociationError
        If ABs wait for each other in a circle.
    """
    _, unread = index_abs(database, configuration, unread=True)
    with database.transaction() as session:
        repository, declared = MasterRepository(session), BadMasterRepository(session)
        masters = repository.find(words, release)
        tags = repository.direct(masters, tag)
        found = repository.usages(repository.dependents(tags), tags)
        users = _in_cascade_order(user for user in found if since is None or user.night >= since)
        ids = [user.ab_id for user in users]
        return UsedBy(
            tuple(masters),
            tuple(each for master in masters if (each := declared.find(master)) is not None),
            tuple(users),
            repository.products(ids),
            repository.idps(ids),
            tuple(unread),
        )


def index_abs(
    database: Database, configuration: Configuration, *, unread: bool = False
) -> tuple[int, list[PhoenixError]]:
    """Make the index of what ABs use anew from their texts that count.

    Parameters
    ----------
    unread : bool
        Only of ABs that were stored before there was an index.

    Returns
    -------
    tuple
        How many ABs there were to read, and why some could not be read.
    """
    problems: list[PhoenixError] = []
    with database.transaction() as session:
        abs_ = AbRepository(session, AbTrees(configuration.folders))
        rows = MasterRepository(session).rows(unread=unread)
        for row in rows:
            try:
                index_calibrations(row, abs_.get(row.release, row.name))
            except AssociationError as error:
                problems.append(error)
    return len(rows), problems


def declare_bad(
    database: Database,
    configuration: Configuration,
    words: str,
    reason: str,
    by: str,
    release: str | None = None,
    since: str | None = None,
) -> UsedBy:
    """Declare a calibration bad: the next association takes another one; return what it went into.

    Parameters
    ----------
    by : str
        Who says so.
    since : str, optional
        Only ABs of this night and later are to be made again. The calibration is bad for all.

    Raises
    ------
    UsageError
        If no or more than one calibration is meant, it is bad already, or no reason is given.
    """
    used = used_by(database, configuration, words, release=release, since=since)
    master = _only_one(words, used.masters)
    declaration = Declaration(master, reason, by, datetime.now(UTC), selection(used, reason))
    with database.transaction() as session:
        BadMasterRepository(session).declare(declaration)
    return UsedBy((master,), (declaration,), used.users, used.products, used.idps, used.unread)


def undo_bad(
    database: Database, words: str, by: str, reason: str = "", release: str | None = None
) -> Declaration:
    """Take back that a calibration is bad; the declaration stays in the history, and is returned.

    Raises
    ------
    UsageError
        If no or more than one calibration is meant, or it was not declared bad.
    """
    with database.transaction() as session:
        declared = BadMasterRepository(session)
        found = MasterRepository(session).find(words, release)
        # Of several files of one name the one that is bad is meant.
        master = _only_one(words, [each for each in found if declared.find(each) is not None] or found)
        return declared.undo(master, by, datetime.now(UTC), reason)


def selection(used: UsedBy, reason: str = "") -> dict[str, Any]:
    """Return what has to be made again, as plain values for a campaign: ABs by release and batch.

    The ABs of a batch are in an order they can run in; each with its products and IDPs of now, which the new
    ones are to be compared with and to replace.
    """
    batches = sorted(used.users, key=lambda user: (user.release, user.key))
    return {
        "masters": [asdict(master) for master in used.masters],
        "reason": reason or "; ".join(each.reason for each in used.bad),
        "selected_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "batches": [
            {"release": release, "batch": key, "abs": [_selected(used, user) for user in users]}
            for (release, key), users in groupby(batches, key=lambda user: (user.release, user.key))
        ],
    }


def _selected(used: UsedBy, user: Usage) -> dict[str, Any]:
    return {
        "name": user.name,
        "night": user.night,
        "task": user.task,
        "outcome": user.outcome,
        "used_as": list(user.tags),
        "old_products": used.products.get(user.ab_id, []),
        "old_idps": [asdict(idp) for idp in used.idps.get(user.ab_id, [])],
    }


def _only_one(words: str, masters: Sequence[Master]) -> Master:
    if len(masters) > 1:
        raise UsageError(
            f"master {words}",
            f"can be any of {len(masters)}: {', '.join(map(str, masters[:5]))}",
            "one",
            "give the whole path, or the AB with --release",
        )
    return masters[0]


def _in_cascade_order(users: Iterable[Usage]) -> list[Usage]:
    """Sort by release, then so that an AB comes after those it waits for, then by time."""
    listed = list(users)
    place: dict[tuple[str, str], int] = {}
    for release in {user.release for user in listed}:
        graph = {user.name: user.waits_for for user in listed if user.release == release}
        for number, layer in enumerate(levels(graph)):
            place.update(dict.fromkeys(((release, name) for name in layer), number))
    return sorted(
        listed,
        key=lambda user: (user.release, place[user.release, user.name], user.mjd_obs_mod, user.name),
    )
