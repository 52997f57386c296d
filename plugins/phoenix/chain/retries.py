"""An AB run as often as that can help, for those who have no scheduler that tries again."""

from __future__ import annotations

from collections.abc import Callable

from phoenix.chain.execute import run_ab
from phoenix.chain.resources import policy_of
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerRunner
from phoenix.execution.retry import next_try
from phoenix.model.outcome import Attempt
from phoenix.store.database import Database


def run_with_retries(
    database: Database,
    configuration: Configuration,
    release: str,
    ab_name: str,
    should_stop: Callable[[], bool] = lambda: False,
    runner: ContainerRunner | None = None,
) -> Attempt:
    """Run one AB, and again as long as that can help; return the last attempt.

    Parameters and errors are those of :func:`phoenix.chain.execute.run_ab`.
    """
    policy = policy_of(database, configuration, release, ab_name)
    tried: list[Attempt] = []
    while next_try(tried, policy) is not None and not (tried and should_stop()):
        tried.append(
            run_ab(database, configuration, release, ab_name, should_stop=should_stop, runner=runner)
        )
    return tried[-1]
