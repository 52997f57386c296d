"""Real recipes: their own words lead in failures, their memory is told without that of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders_execution import write_fits
from builders_verdict import judged, task_ab
from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.execution.command import recipe_command
from phoenix.execution.container import INPUT, ContainerEnd, ContainerJob
from phoenix.execution.docker_engine import DockerRunner, recipe_user
from phoenix.execution.usage import read_usage
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.outcome import Outcome

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def runner() -> Iterator[DockerRunner]:
    with DockerRunner(Engine(), "test") as runner:
        yield runner


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path / "01")
    folder.create(recipe_user())
    return folder


def run(
    runner: DockerRunner, work: WorkFolder, instrument: str, command: tuple[str, ...], **changes: float
) -> tuple[ContainerEnd, str]:
    """Run a command in the image of an instrument; return how it ended and all it said."""
    said: list[str] = []
    job = ContainerJob(
        release=f"TEST_{work.path.parent.name}",
        ab="silent.ab",
        attempt=1,
        image=runner.image_id(Configuration().instrument(instrument).pipeline.image),
        command=command,
        input_folder=work.input,
        output_folder=work.output,
        memory_gb=changes.get("memory_gb", 0.5),
        cpus=1.0,
        timeout_s=60.0,
    )
    return runner.run(job, said.append, lambda: False), "\n".join(said)


@pytest.mark.parametrize(
    ("instrument", "task", "tag", "words"),
    [
        ("UVES", "science", "SCI_POINT_BLUE", "Data not found"),
        ("GIRAFFE", "science", "SCIENCE", "No master localization"),
        ("HAWKI", "dark", "OBJECT", "Cannot find dark frames in input frameset"),
        ("MUSE", "bias", "OBJECT", "No valid raw tag(s) found!"),
        ("XSHOOTER", "bias", "OBJECT", "Unrecognized frame tag"),
    ],
)
def test_a_failure_leads_with_the_recipes_own_words(
    runner: DockerRunner, work: WorkFolder, instrument: str, task: str, tag: str, words: str
) -> None:
    """A frame that is none, or of the wrong class."""
    ab = task_ab(instrument, task)
    write_fits(work.input / "frame.fits", {"INSTRUME": instrument})
    (work.input / "job.sof").write_text(f"{INPUT}/frame.fits {tag}\n")
    end, said = run(runner, work, instrument, recipe_command(ab.recipe, INPUT / "job.sof", {}))
    verdict = judged(ab, exit_code=end.exit_code, log=said)
    assert verdict.outcome is Outcome.FAILED, (end, said)
    assert verdict.findings[0].startswith(f"{ab.recipe} says: "), verdict.findings
    assert words in verdict.findings[0], said
    assert verdict.findings[1].startswith("exit code")


def test_what_a_recipe_says_and_its_errors_keep_their_order(runner: DockerRunner, work: WorkFolder) -> None:
    """esorex writes messages to one output and errors to another; what stands before an error explains it."""
    shell = "for i in $(seq 300); do echo said $i; echo failed $i >&2; done"
    measured = recipe_command("-c", INPUT, {}, program="/bin/sh")[:4]
    _, said = run(runner, work, "UVES", (*measured, "/bin/sh", "-c", shell))
    expected = [f"{word} {number}" for number in range(1, 301) for word in ("said", "failed")]
    assert said.splitlines() == expected


def test_files_a_short_recipe_writes_are_not_its_memory(runner: DockerRunner, work: WorkFolder) -> None:
    shell = "head -c 40000000 /dev/zero | tail > /dev/null; head -c 200000000 /dev/zero > big"
    run(
        runner,
        work,
        "UVES",
        (*recipe_command("-c", INPUT, {}, program="/bin/sh")[:4], "/bin/sh", "-c", shell),
    )
    usage = read_usage(work.output)
    assert usage.memory_peak_mb is not None
    assert 40 < usage.memory_peak_mb < 150


def test_a_recipe_killed_for_its_memory_is_told_from_one_that_was_killed(
    runner: DockerRunner, work: WorkFolder
) -> None:
    ab = task_ab("UVES", "bias")
    measured = recipe_command("-c", INPUT, {}, program="/bin/sh")[:4]
    end, _ = run(
        runner, work, "UVES", (*measured, "/bin/sh", "-c", "tail /dev/zero; kill -KILL $$"), memory_gb=0.06
    )
    usage = read_usage(work.output)
    assert usage.oom_kills > 0
    assert judged(ab, exit_code=end.exit_code, usage=usage).outcome is Outcome.OUT_OF_MEMORY
    end, _ = run(runner, work, "UVES", (*measured, "/bin/sh", "-c", "kill -KILL $$"))
    usage = read_usage(work.output)
    assert judged(ab, exit_code=end.exit_code, usage=usage).outcome is Outcome.CRASHED
