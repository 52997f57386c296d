"""Engines that are restarted or killed under a running recipe, and engines of another host."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders_execution import RELEASE
from engine_forwarder import TlsForwarder
from interrupted_runs import assert_as_if_nothing_had_happened, in_a_process, kill, read_until
from phoenix.chain.execute import AbExecution
from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError
from phoenix.execution.docker_engine import DockerRunner
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.database import Database
from pretended_recipe import slow_ab
from second_engine import SecondEngine, with_engine

pytestmark = pytest.mark.engine

STEPS = 15


@pytest.fixture
def ab(database: Database, site: Configuration) -> AssociationBlock:
    return slow_ab(database, site, f"UVES.2019-03-04T10:00:00.000_e{os.getpid()}.ab", STEPS)


@pytest.fixture(scope="module", params=["off", "on"])
def second_engine(request: pytest.FixtureRequest, pretended_recipe: str) -> Iterator[SecondEngine]:
    """An engine of this test alone, with live-restore off and on."""
    with tempfile.TemporaryDirectory(prefix="phoenix-") as folder:
        second = SecondEngine(Path(folder) / "engine", live_restore=request.param == "on")
        try:
            second.start()
            second.load(pretended_recipe)
            yield second
        finally:
            second.clear_away()


@pytest.mark.parametrize("end", [SecondEngine.stop, SecondEngine.kill])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_engine_is_restarted_while_a_recipe_runs(
    database: Database,
    site: Configuration,
    ab: AssociationBlock,
    second_engine: SecondEngine,
    end: Callable[[SecondEngine], None],
) -> None:

    def restart(line: str) -> None:
        if "step 2" in line:
            end(second_engine)
            second_engine.start()

    with DockerRunner(Engine(url=second_engine.url), str(site.root)) as runner:

        def run(on_line: Callable[[str], None]) -> Attempt:
            return AbExecution(database, site, RELEASE, ab.name, runner).run(on_line, lambda: False)

        attempt = run(restart)
        if second_engine.live_restore:
            assert (attempt.number, attempt.outcome) == (1, Outcome.OK)
        else:
            assert (attempt.number, attempt.outcome) == (1, Outcome.CRASHED)
            attempt = run(lambda _: None)
            assert (attempt.number, attempt.outcome) == (2, Outcome.OK)
    left = with_engine(second_engine.url, lambda client: client.containers.list(all=True))
    assert left == []
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)
    # The client library leaves the sockets it could not connect to the garbage collector.
    gc.collect()


def test_an_engine_over_tls(
    database: Database, site: Configuration, ab: AssociationBlock, tmp_path: Path
) -> None:
    """A TLS end on loopback before the machine's engine: both sides prove who they are."""
    with TlsForwarder(tmp_path / "tls") as remote:
        remote_engine = Engine(url=remote.url, tls_folder=remote.client_folder)
        with DockerRunner(remote_engine, str(site.root)) as runner:
            process = in_a_process(database, site, ab)
            read_until(process, "step 2")
            kill(process)
            attempt = AbExecution(database, site, RELEASE, ab.name, runner).run(lambda _: None, lambda: False)
        assert (attempt.number, attempt.outcome) == (1, Outcome.OK)
        assert_as_if_nothing_had_happened(database, site, ab, STEPS)
        for folder in (None, remote.strangers_folder):
            stranger = Engine(url=remote.url, tls_folder=folder)
            with pytest.raises(InfrastructureError, match="does not answer"):
                DockerRunner(stranger, str(site.root)).image_id("phoenix-uves")
