"""Memory and cores of a host, shared by threads and by processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.errors import InfrastructureError
from phoenix.execution.host_share import share_if_free, share_of_host


@given(st.lists(st.integers(1, 10), min_size=2, max_size=12))
@settings(max_examples=8, deadline=None)
def test_the_sum_of_what_is_held_never_exceeds_the_host(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[int]
) -> None:
    file, total = tmp_path_factory.mktemp("host") / "share", 10
    held, most = 0, 0
    guard = threading.Lock()

    def recipe(taken: int) -> None:
        nonlocal held, most
        with share_of_host(file, taken, total):
            with guard:
                held += taken
                most = max(most, held)
            threading.Event().wait(0.001)
            with guard:
                held -= taken

    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(recipe, wanted))
    assert held == 0
    assert max(wanted) <= most <= total


def _given_up_at_once(file: Path, taken: int) -> None:
    with (
        pytest.raises(InfrastructureError, match=f"waiting for {taken} of 10 MB"),
        share_of_host(file, taken, 10, should_stop=lambda: True),
    ):
        pass


def test_another_process_counts_and_its_death_frees_what_it_held(tmp_path: Path) -> None:
    file = tmp_path / "share"
    program = (
        "import sys, time; from pathlib import Path\n"
        "from phoenix.execution.host_share import share_of_host\n"
        "with share_of_host(Path(sys.argv[1]), 7, 10): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        _given_up_at_once(file, 4)
        with share_of_host(file, 3, 10):
            pass
    finally:
        process.kill()
        process.communicate()
    with share_of_host(file, 10, 10):
        pass


def test_what_is_given_back_is_free(tmp_path: Path) -> None:
    stop: Callable[[], bool] = lambda: True  # noqa: E731
    with share_of_host(tmp_path / "share", 10, 10, stop):
        _given_up_at_once(tmp_path / "share", 1)
    with share_of_host(tmp_path / "share", 10, 10, stop):
        pass


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a folder should be")
    with (
        pytest.raises(InfrastructureError, match="cannot be locked"),
        share_of_host(tmp_path / "run" / "share", 1, 10),
    ):
        pass


def test_what_is_not_free_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "share"
    first = share_if_free(file, 6, 10)
    assert first is not None
    assert share_if_free(file, 6, 10) is None
    with first:
        pass
    again = share_if_free(file, 6, 10)
    assert again is not None
    with again, pytest.raises(InfrastructureError, match="stopped"), share_of_host(file, 5, 10, lambda: True):
        pass
