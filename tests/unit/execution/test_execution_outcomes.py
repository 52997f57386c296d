"""Each way a run can end is told apart, from exit code, container state, log and what the container noted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_execution import NOW
from builders_verdict import judged, task_ab, written
from phoenix.execution.recipe_log import KeptLines, LogLine, Severity, parse_line, telling
from phoenix.execution.retry import RetryPolicy, memory_for, next_try
from phoenix.execution.staging import Producer, Refusal, resolve
from phoenix.execution.usage import Usage
from phoenix.model.ab import Completeness, Mcalib, McalibStatus, Missing
from phoenix.model.outcome import Attempt, Outcome

BIAS = task_ab("UVES", "bias", expected=("MASTER_BIAS_BLUE",))
GOOD = [written("MASTER_BIAS_BLUE")]


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        ({"exit_code": 0}, Outcome.OK),
        ({"exit_code": 0, "log": "[WARNING] MBias: few frames"}, Outcome.CAVEATS),
        ({"exit_code": 0, "log": "[ ERROR ] MBias: no"}, Outcome.FAILED),
        ({"exit_code": 10}, Outcome.FAILED),
        ({"exit_code": 255}, Outcome.FAILED),
        ({"exit_code": 139}, Outcome.CRASHED),
        ({"exit_code": 137}, Outcome.CRASHED),
        ({"exit_code": 137, "oom_killed": True}, Outcome.OUT_OF_MEMORY),
        # The engine overlooks all but the container's first process; the control group counted it.
        ({"exit_code": 137, "usage": Usage(oom_kills=1)}, Outcome.OUT_OF_MEMORY),
        ({"exit_code": 10, "usage": Usage(oom_kills=1)}, Outcome.FAILED),
        ({"exit_code": 143, "timed_out": True}, Outcome.TIMEOUT),
        ({"exit_code": 137, "timed_out": True, "oom_killed": True}, Outcome.TIMEOUT),
        ({"exit_code": 143, "stopped": True}, Outcome.CRASHED),
        ({"exit_code": None, "lost": "connection reset"}, Outcome.CRASHED),
    ],
)
def test_how_a_run_ended(evidence: dict[str, object], outcome: Outcome) -> None:
    assert judged(BIAS, GOOD, **evidence).outcome is outcome  # type: ignore[arg-type]


def test_an_incomplete_ab_is_unprocessable_and_one_that_waits_in_vain_is_blocked() -> None:
    gap = Missing("MASTER_BIAS_BLUE", "none within 15 d")
    incomplete = resolve(task_ab("UVES", "science", completeness=Completeness.INCOMPLETE, missing=(gap,)), {})
    assert isinstance(incomplete, Refusal)
    assert incomplete.outcome is Outcome.UNPROCESSABLE
    waits = Mcalib(McalibStatus.VIRTUAL, "flat.ab", "MASTER_FLAT_BLUE")
    blocked = resolve(
        task_ab("UVES", "science", mcalibs=(waits,)), {"flat.ab": Producer("flat.ab", Outcome.FAILED, ())}
    )
    assert isinstance(blocked, Refusal)
    assert blocked.outcome is Outcome.BLOCKED


UVES_DUMP = """
[WARNING] esorex: Unable to open directory /usr/lib/cpl/plugins
[ INFO  ] SciRed: Running on UVES data
[ ERROR ] SciRed: Recipe status at 18
[ ERROR ] SciRed: Data not found: Error loading raw frame
[ ERROR ] SciRed: uves_reduce_scired:uves_reduce_scired.c:1072
[ ERROR ] SciRed: Dumping all 3 error(s):
[ ERROR ] SciRed:   [1/3] 'Data not found: No such frame in frame set' (10) at uves_find_frame:uves_utils.c:9
[ ERROR ] SciRed:   [2/3] 'Data not found: Error loading raw frame' (10) at uves_reduce_scired:uves_sci.c:9
[ ERROR ] SciRed:   [3/3] 'Data not found: SciRed execution failed' (10) at uves_obs_scired:uves_impl.c:202
[ ERROR ] esorex: Execution of recipe 'uves_obs_scired' failed, status = 10
"""


def test_the_recipes_own_words_lead_and_its_dump_is_not_repeated() -> None:
    verdict = judged(task_ab("UVES", "science"), exit_code=10, log=UVES_DUMP)
    assert verdict.findings == (
        "uves_obs_scired says: Data not found: Error loading raw frame",
        "exit code 10 (data not found)",
        "uves_obs_scired says: Data not found: No such frame in frame set",
        "uves_obs_scired says: Data not found: SciRed execution failed",
    )


@pytest.mark.parametrize(
    ("instrument", "task", "status", "code", "words"),
    [
        ("MUSE", "bias", -1, 255, "exit code 255 (the recipe returned -1)"),
        ("GIRAFFE", "bias", 1, 1, "exit code 1 (unspecified error)"),
        ("UVES", "bias", None, 255, "exit code 255 (esorex refused the command line)"),
        ("UVES", "bias", None, 250, "exit code 250 (esorex refused the recipe's configuration)"),
    ],
)
def test_exit_codes_in_words(instrument: str, task: str, status: int | None, code: int, words: str) -> None:
    log = "" if status is None else f"[ ERROR ] esorex: Execution of recipe 'x' failed, status = {status}"
    assert words in judged(task_ab(instrument, task), exit_code=code, log=log).findings


@pytest.mark.parametrize(
    "line",
    [
        "21:09:50 [WARNING] muse_scipost: [tid=000] no response",
        "[WARNING] muse_scipost: no response",
        "  [WARNING] muse_scipost:    no response",
    ],
)
def test_log_lines_with_and_without_time_and_thread(line: str) -> None:
    assert parse_line(line) == LogLine(Severity.WARNING, "muse_scipost", "no response")


@given(st.lists(st.sampled_from(["INFO", "DEBUG", "WARNING", "ERROR"]), max_size=60), st.integers(2, 20))
def test_errors_and_warnings_are_kept_in_order_and_bounded(severities: list[str], at_most: int) -> None:
    kept = KeptLines(at_most)
    for number, severity in enumerate(severities):
        kept.take(f"[{severity}] r: line {number}")
    grave = [line.text for line in kept.lines if line.severity in {Severity.ERROR, Severity.WARNING}]
    wanted = [f"line {n}" for n, severity in enumerate(severities) if severity in {"WARNING", "ERROR"}]
    assert grave == wanted[: len(grave)]
    assert len(kept.lines) <= at_most + 1
    assert len(grave) >= min(len(wanted), at_most - 1)


def test_noise_alone_tells_nothing() -> None:
    assert telling([LogLine(Severity.ERROR, "esorex", "Execution of recipe 'x' failed, status = 1")]) == []


@given(
    ends=st.lists(
        st.tuples(st.sampled_from(Outcome), st.sampled_from([None, 0, 137, 139])), min_size=12, max_size=12
    ),
    tries=st.integers(1, 6),
    memory_gb=st.floats(0.1, 64),
    cap_gb=st.floats(0.1, 64),
)
def test_an_ab_is_tried_as_often_and_with_as_much_as_allowed(
    ends: list[tuple[Outcome, int | None]], tries: int, memory_gb: float, cap_gb: float
) -> None:
    """The whole history of an AB, whatever happens to it."""
    policy = RetryPolicy(memory_gb, cap_gb, tries)
    history: list[Attempt] = []
    given_gb: list[float] = []
    while (following := next_try(history, policy)) is not None:
        outcome, code = ends[len(history)]
        given_gb.append(following.memory_gb)
        history.append(Attempt(len(history) + 1, outcome, NOW, NOW, code))
    assert 1 <= len(history) <= tries
    assert max(given_gb) <= cap_gb
    assert given_gb == sorted(given_gb)
    assert all(attempt.outcome in {Outcome.OUT_OF_MEMORY, Outcome.CRASHED} for attempt in history[:-1])
    for before, after, attempt in zip(given_gb, given_gb[1:], history, strict=False):
        assert (after > before) == (attempt.outcome is Outcome.OUT_OF_MEMORY)
    assert memory_for(history, policy) <= cap_gb
