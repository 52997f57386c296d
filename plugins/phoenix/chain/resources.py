"""What an AB needs of a host: memory by its recipe's model and its history, and how long it will take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.config.hosts import Share, serving, streams
from phoenix.config.instrument import MemoryModel, Recipe
from phoenix.config.loader import Configuration
from phoenix.errors import ConfigError, HeaderError
from phoenix.execution.host_share import share_if_free, share_of_host
from phoenix.execution.memory import estimate_gb
from phoenix.execution.retry import RetryPolicy, had_all_memory
from phoenix.execution.staging import Producer, Refusal, resolve
from phoenix.headers.reader import read_headers
from phoenix.model.ab import AssociationBlock, Tree, referred
from phoenix.store.ab_trees import AbTrees
from phoenix.store.attempts import AttemptRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from phoenix.store.database import Database
    from phoenix.store.tables import AbRow


def recipe_of(configuration: Configuration, instrument: str, recipe: str) -> Recipe:
    """Return the configuration of a recipe.

    Raises
    ------
    ConfigError
        If the instrument does not configure it.
    """
    configured = configuration.instrument(instrument).recipes.get(recipe)
    if configured is None:
        raise ConfigError(
            f"instruments/{instrument.lower()}.yaml, field recipes", f"{recipe} is not there", remedy="add it"
        )
    return configured


def producers_of(session: Session, release: str, ab: AssociationBlock) -> dict[str, Producer]:
    """Return the ABs an AB waits for, with what they published."""
    attempts = AttemptRepository(session)
    return {
        name: Producer(name, outcome, attempts.products(*referred(name, release)))
        for name, outcome in attempts.outcomes(release, ab.waits_for).items()
    }


def at_once(configuration: Configuration, release: str) -> int:
    """Return how many ABs of a release may run at once on this host, if their memory allows."""
    stream = configuration.release(release)
    slots = configuration.host.slots
    return min(slots, streams(configuration.instrument(stream.instrument).drs_type, stream) or slots)


def memory_gb(configuration: Configuration, ab: AssociationBlock, producers: Mapping[str, Producer]) -> float:
    """Return the memory an AB needs in its first attempt, in GB."""
    recipe = recipe_of(configuration, ab.instrument, ab.recipe)
    if recipe.memory is None:
        return recipe.memory_gb
    return estimate_gb(recipe, _rows(recipe.memory, ab, producers))


def memory_of_row(session: Session, configuration: Configuration, row: AbRow) -> float:
    """Return the memory an AB needs in its first attempt; its text is read only where the inputs matter."""
    recipe = recipe_of(configuration, row.instrument, row.recipe)
    if recipe.memory is None:
        return recipe.memory_gb
    trees = AbTrees(configuration.folders)
    ab = trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256).ab
    return memory_gb(configuration, ab, producers_of(session, row.release, ab))


def policy(
    configuration: Configuration, release: str, first_gb: float, within_gb: float | None
) -> RetryPolicy:
    """Return how often and with how much memory an AB may be tried.

    Parameters
    ----------
    first_gb : float
        Memory of its first attempt.
    within_gb : float, optional
        Memory the caller has for it; default: what hosts of the release's queue have, and this one.
    """
    largest = serving(configuration.site, configuration.release(release)).largest_gb
    largest = min(largest, configuration.host.memory_gb)
    return RetryPolicy(memory_gb=first_gb, memory_cap_gb=min(within_gb or largest, largest))


def policy_of(
    database: Database,
    configuration: Configuration,
    release: str,
    ab_name: str,
    within_gb: float | None = None,
) -> RetryPolicy:
    """Return the `policy` of an AB we know the name of."""
    with database.transaction() as session:
        row = AttemptRepository(session).find(release, ab_name)
        first_gb = memory_of_row(session, configuration, row)
    return policy(configuration, release, first_gb, within_gb)


def can_grow(
    database: Database, configuration: Configuration, release: str, ab_name: str, within_gb: float | None
) -> bool:
    """Whether another attempt of an AB can have more memory than its last one."""
    rules = policy_of(database, configuration, release, ab_name, within_gb)
    with database.transaction() as session:
        return not had_all_memory(AttemptRepository(session).history(release, ab_name), rules)


def too_large(configuration: Configuration, ab: AssociationBlock, needs_gb: float) -> str:
    """Return why an AB cannot run here, or nowhere; empty when it can."""
    queue = serving(configuration.site, configuration.release(ab.release))
    needs = f"{needs_gb:.3g}" if needs_gb < 1000 else f"{needs_gb:.0f}"
    if needs_gb > queue.largest_gb:
        where = f"of queue {queue.name} " if queue.name else ""
        return f"needs {needs} GB, the largest host {where}gives {queue.largest_gb:g} GB"
    if needs_gb > configuration.host.memory_gb:
        return f"needs {needs} GB, this host gives {configuration.host.memory_gb:g} GB"
    return ""


def room_on_host(
    configuration: Configuration,
    ab: AssociationBlock,
    needs_gb: float,
    should_stop: Callable[[], bool],
) -> AbstractContextManager[None]:
    """Hold memory and cores of this host for an AB, as soon as there is room."""
    share = Share.of(configuration.host)
    recipe = recipe_of(configuration, ab.instrument, ab.recipe)
    return share_of_host(
        _share_file(configuration), share.taken(needs_gb, recipe.cpus), share.total_mb, should_stop
    )


def core_if_free(configuration: Configuration, needs_gb: float) -> AbstractContextManager[object] | None:
    """Hold a core of this host and some of its memory; None if there is no room now."""
    share = Share.of(configuration.host)
    return share_if_free(_share_file(configuration), share.taken(needs_gb), share.total_mb)


def _share_file(configuration: Configuration) -> Path:
    return configuration.root / "run" / f"recipes-{configuration.host_name}"


def _rows(
    model: MemoryModel, ab: AssociationBlock, producers: Mapping[str, Producer]
) -> Iterator[int | None]:
    """Give the rows of each input that counts; None for those that are not there."""
    inputs = resolve(ab, producers)
    if isinstance(inputs, Refusal):  # it will not start; for the record it needs what typical inputs need
        tags = [*(raw.tag for raw in ab.raws), *(entry.tag for entry in ab.inputs)]
        tags += [calib.tag for calib in ab.mcalibs]
        yield from (None for tag in tags if re.fullmatch(model.of, tag))
        return
    for entry in inputs:
        if re.fullmatch(model.of, entry.tag):
            yield _rows_in(entry.path) if model.bytes_per_row else 0


def _rows_in(path: Path) -> int | None:
    """Return the rows of the longest table or image of a file; None if it cannot be read."""
    try:
        headers = read_headers(path)
    except HeaderError:  # staging tells what is wrong with it
        return None
    return max((int(rows) for header in headers if isinstance(rows := header.get("NAXIS2"), int)), default=0)
