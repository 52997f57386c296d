"""Real containers on the real engine: hardening, limits, stopping, and uves_cal_mbias on raw frames."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import docker
import pytest

from builders_execution import RELEASE, ab_row, bias_ab, store_ab, write_fits
from phoenix.chain.execute import run_ab, stop_ab
from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError, RecipeError
from phoenix.execution.command import recipe_command
from phoenix.execution.container import LABEL_AB, LABEL_RELEASE, ContainerEnd, ContainerJob
from phoenix.execution.docker_engine import DockerRunner, recipe_user
from phoenix.execution.pipeline import recipe_facts
from phoenix.execution.workfolder import WorkFolder
from phoenix.headers.reader import read_header
from phoenix.model.ab import Mcalib, McalibStatus
from phoenix.model.outcome import Outcome
from phoenix.store.database import Database

pytestmark = pytest.mark.engine

AB = "UVES.2019-03-04T10:00:00.000_tpl.ab"


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[DockerRunner]:
    with DockerRunner(Engine(), "test") as runner:
        yield runner


@pytest.fixture(scope="module")
def image(runner: DockerRunner) -> str:
    return runner.image_id(Configuration().instrument("UVES").pipeline.image)


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path / "01")
    folder.create(recipe_user())
    return folder


def job(work: WorkFolder, image: str, *command: str, **changes: object) -> ContainerJob:
    content: dict[str, object] = {
        "release": f"TEST_{work.path.parent.name}",
        "ab": AB,
        "attempt": 1,
        "image": image,
        "command": command,
        "input_folder": work.input,
        "output_folder": work.output,
        "memory_gb": 0.25,
        "cpus": 1.0,
        "timeout_s": 60.0,
    }
    return ContainerJob(**(content | changes))  # type: ignore[arg-type]


def never() -> bool:
    return False


def shell(text: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", text)


def containers_of(engine: docker.DockerClient, release: str) -> list[object]:
    return engine.containers.list(all=True, filters={"label": [f"{LABEL_RELEASE}={release}"]})


def in_background(runner: DockerRunner, task: ContainerJob) -> tuple[threading.Thread, list[ContainerEnd]]:
    ends: list[ContainerEnd] = []
    thread = threading.Thread(target=lambda: ends.append(runner.run(task, lambda _: None, never)))
    thread.start()
    return thread, ends


def wait_for_container(engine: docker.DockerClient, release: str) -> docker.models.containers.Container:
    for _ in range(200):
        running = engine.containers.list(filters={"label": [f"{LABEL_RELEASE}={release}"]})
        if running:
            return running[0]
        time.sleep(0.05)
    raise AssertionError("the container did not start")


def test_every_flag_of_the_hardening_is_set_on_the_live_container(
    engine: docker.DockerClient, runner: DockerRunner, image: str, work: WorkFolder
) -> None:
    task = job(work, image, *shell("sleep 60"))
    thread, _ = in_background(runner, task)
    try:
        container = wait_for_container(engine, task.release)
        told = container.attrs
        host = told["HostConfig"]
        uid = recipe_user()[0]
        assert uid != 0
        assert told["Config"]["User"].split(":")[0] == str(uid)
        assert host["ReadonlyRootfs"] is True
        assert host["NetworkMode"] == "none"
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["Privileged"] is False
        assert "no-new-privileges" in host["SecurityOpt"]
        assert not any("seccomp" in option for option in host["SecurityOpt"])
        assert host["PidsLimit"] == 256
        assert host["Memory"] == host["MemorySwap"] == int(0.25 * 2**30)
        assert host["NanoCpus"] == 1_000_000_000
        assert host["Init"] is True
        assert host["PidMode"] == ""
        assert host["IpcMode"] != "host"
        assert set(host["Tmpfs"]) == {"/tmp"}
        mounts = {mount["Destination"]: mount["RW"] for mount in told["Mounts"]}
        assert mounts == {"/job/input": False, "/job/output": True}
        assert told["Config"]["Labels"][LABEL_AB] == AB
        assert told["Image"] == image
        assert told["Name"].startswith("/phoenix-TEST_")
    finally:
        runner.stop(task.release, AB)
        thread.join(30)


def test_what_the_flags_mean_inside(runner: DockerRunner, image: str, work: WorkFolder) -> None:
    (work.input / "raw.fits").write_text("raw")
    checks = """
    echo "user $(id -u)"
    touch /here 2>/dev/null && echo root-is-writable
    echo x 2>/dev/null > /job/input/raw.fits && echo input-is-writable
    grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status
    echo "network $(ls /sys/class/net)"
    echo "folder $(pwd)"; touch made
    echo "input $(cat /job/input/raw.fits)"
    """
    lines: list[str] = []
    end = runner.run(job(work, image, *shell(checks)), lines.append, never)
    assert end.exit_code == 0
    said = [line.split() for line in lines if "cannot create" not in line]
    assert sorted(said) == sorted(
        [
            ["user", str(recipe_user()[0])],
            ["CapEff:", "0000000000000000"],
            ["CapBnd:", "0000000000000000"],
            ["NoNewPrivs:", "1"],
            ["network", "lo"],
            ["folder", "/job/output"],
            ["input", "raw"],
        ]
    )
    assert (work.output / "made").exists()


def test_lines_arrive_whole_and_in_order(runner: DockerRunner, image: str, work: WorkFolder) -> None:
    lines: list[str] = []
    text = "for i in $(seq 5000); do echo line $i; done; printf 'no\\377utf8 and no newline'"
    end = runner.run(job(work, image, *shell(text)), lines.append, never)
    assert lines[:5000] == [f"line {i}" for i in range(1, 5001)]
    assert lines[5000:] == ["no\ufffdutf8 and no newline"]
    assert end.exit_code == 0
    assert end.started_at <= end.ended_at


@pytest.mark.parametrize(("text", "code"), [("exit 10", 10), ("kill -SEGV $$", 139), ("kill -KILL $$", 137)])
def test_exit_codes(runner: DockerRunner, image: str, work: WorkFolder, text: str, code: int) -> None:
    end = runner.run(job(work, image, *shell(text)), lambda _: None, never)
    assert (end.exit_code, end.oom_killed, end.lost) == (code, False, "")


def test_out_of_memory_is_told_from_a_kill(runner: DockerRunner, image: str, work: WorkFolder) -> None:
    task = job(work, image, *shell("head -c 300000000 /dev/zero | tail -n 1"), memory_gb=64 / 1024)
    end = runner.run(task, lambda _: None, never)
    assert end.oom_killed


def test_a_fork_bomb_stays_inside(runner: DockerRunner, image: str, work: WorkFolder) -> None:
    lines: list[str] = []
    text = "i=0; while [ $i -lt 1000 ]; do sleep 30 & i=$((i+1)); done"
    end = runner.run(job(work, image, *shell(text), timeout_s=20.0), lines.append, never)
    assert end.exit_code != 0
    assert any("fork" in line.lower() for line in lines)


def test_timeout_stops_and_removes(
    engine: docker.DockerClient, runner: DockerRunner, image: str, work: WorkFolder
) -> None:
    task = job(work, image, *shell("echo begun; sleep 60"), timeout_s=0.5)
    end = runner.run(task, lambda _: None, never)
    assert end.timed_out
    assert containers_of(engine, task.release) == []


def test_stop_on_request(
    engine: docker.DockerClient, runner: DockerRunner, image: str, work: WorkFolder
) -> None:
    lines: list[str] = []
    task = job(work, image, *shell("echo begun; sleep 60"))
    end = runner.run(task, lines.append, lambda: bool(lines))
    assert end.stopped
    assert not end.timed_out
    assert containers_of(engine, task.release) == []


def test_stop_from_another_process(
    engine: docker.DockerClient,
    runner: DockerRunner,
    image: str,
    work: WorkFolder,
    configuration: Configuration,
) -> None:
    task = job(work, image, *shell("sleep 60"))
    with DockerRunner(Engine(), str(configuration.root)) as ours:
        thread, ends = in_background(ours, task)
        wait_for_container(engine, task.release)
        assert stop_ab(configuration, task.release, AB) == 1
        thread.join(30)
    assert ends[0].exit_code in {None, 143, 137}
    assert stop_ab(configuration, task.release, AB) == 0


def test_a_leftover_of_the_same_ab_goes_before_the_next_starts(
    engine: docker.DockerClient, runner: DockerRunner, image: str, work: WorkFolder
) -> None:
    task = job(work, image, *shell("sleep 60"))
    thread, ends = in_background(runner, task)
    wait_for_container(engine, task.release)
    other = job(work, image, *shell("sleep 60"), ab="another.ab")
    bystander, _ends = in_background(runner, other)
    end = runner.run(job(work, image, *shell("true"), attempt=2), lambda _: None, never)
    thread.join(30)
    assert end.exit_code == 0
    assert ends[0].exit_code != 0
    assert len(containers_of(engine, task.release)) == 1, "the other AB's container is left alone"
    runner.stop(task.release, "another.ab")
    bystander.join(30)
    assert containers_of(engine, task.release) == []


def test_another_installation_on_the_same_engine_is_left_alone(
    engine: docker.DockerClient,
    runner: DockerRunner,
    image: str,
    work: WorkFolder,
    configuration: Configuration,
) -> None:
    task = job(work, image, *shell("sleep 60"))
    thread, _ends = in_background(runner, task)
    container = wait_for_container(engine, task.release)
    with DockerRunner(Engine(), "another") as other:
        assert other.run(job(work, image, *shell("true")), lambda _: None, never).exit_code == 0
    assert stop_ab(configuration, task.release, AB) == 0
    container.reload()
    assert container.status == "running"
    assert runner.stop(task.release, AB) == 1
    thread.join(30)


def test_an_error_of_ours_removes_the_container_too(
    engine: docker.DockerClient, runner: DockerRunner, image: str, work: WorkFolder
) -> None:
    def broken(line: str) -> None:
        raise RuntimeError(line)

    task = job(work, image, *shell("echo begun; sleep 60"))
    with pytest.raises(RuntimeError, match="begun"):
        runner.run(task, broken, never)
    assert containers_of(engine, task.release) == []


def test_no_such_image(runner: DockerRunner) -> None:
    with pytest.raises(InfrastructureError) as caught:
        runner.image_id("phoenix-no-such-image")
    assert caught.value.remedy == "make images"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="does not answer") as caught:
        DockerRunner(Engine(url=f"unix://{tmp_path}/no.sock"), "test").image_id("phoenix-uves")
    assert caught.value.exit_code == 3
    # The client library leaves the socket it could not connect to the garbage collector.
    del caught
    gc.collect()


def test_folders_are_told_to_the_engine_by_its_own_names(
    runner: DockerRunner, image: str, work: WorkFolder, tmp_path: Path
) -> None:
    seen_here = tmp_path / "as-seen-here"
    task = job(
        work,
        image,
        *shell("touch made"),
        input_folder=seen_here / "input",
        output_folder=seen_here / "output",
    )
    with DockerRunner(Engine(path_map={seen_here: work.path}), "test") as moved:
        assert moved.run(task, lambda _: None, never).exit_code == 0
    assert (work.output / "made").exists()


def test_a_recipe_describes_itself_once(runner: DockerRunner, image: str, tmp_path: Path) -> None:
    facts = recipe_facts(runner, image, "uves_obs_scired", tmp_path, never)
    assert facts.version.split(".")[0].isdigit()
    by_name = {parameter.name: parameter for parameter in facts.parameters}
    assert by_name["reduce.tiltcorr"].kind == "bool"
    assert "optimal" in by_name["reduce.extract.method"].choices
    assert [path.name for path in tmp_path.iterdir()] == [image.replace(":", "-")]
    assert (
        recipe_facts(
            DockerRunner(Engine(url="unix:///none"), "test"), image, "uves_obs_scired", tmp_path, never
        )
        == facts
    )


def test_a_recipe_the_pipeline_does_not_have(runner: DockerRunner, image: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not know it"):
        recipe_facts(runner, image, "uves_obs_nothing", tmp_path, never)


def test_master_bias_from_raw_frames(
    database: Database, configuration: Configuration, uves_biases: list[Path]
) -> None:
    ab = bias_ab(uves_biases)
    store_ab(database, configuration, ab)
    lines: list[str] = []
    attempt = run_ab(database, configuration, RELEASE, ab.name, lines.append)
    assert attempt.findings == ()
    assert attempt.outcome is Outcome.OK
    assert attempt.pipeline_version.startswith("uves/")
    assert attempt.image_digest.startswith("sha256:")
    assert attempt.cpu_s is not None
    assert attempt.memory_peak_mb is not None
    assert attempt.memory_peak_mb > 10
    assert any("[ INFO  ]" in line for line in lines)
    folder = configuration.folders.products_of(ab)
    header = read_header(folder / "masterbias_blue.fits")
    assert header["PRO.CATG"] == "MASTER_BIAS_BLUE"
    assert header["PRO.REC1.PIPE.ID"] == attempt.pipeline_version
    assert header["PRO.REC1.RAW1.NAME"] == uves_biases[0].name
    assert (folder / "masterbias_blue.fits").stat().st_uid == os.getuid()
    assert ab_row(database, ab.name).outcome == "ok"
    assert run_ab(database, configuration, RELEASE, ab.name) == attempt


def test_a_calibration_the_recipe_left_aside_is_noticed(
    database: Database, configuration: Configuration, uves_biases: list[Path], tmp_path: Path
) -> None:
    """A tag the recipe does not know: a warning, exit code 0, all products, and no trace in their headers."""
    dark = write_fits(tmp_path / "dark.fits", {"PRO.CATG": "MASTER_DARC_BLUE"})
    ab = bias_ab(uves_biases, mcalibs=(Mcalib(McalibStatus.REAL, str(dark), "MASTER_DARC_BLUE"),))
    store_ab(database, configuration, ab)
    attempt = run_ab(database, configuration, RELEASE, ab.name)
    assert (attempt.outcome, attempt.exit_code) == (Outcome.FAILED, 0)
    assert attempt.findings == (
        "calibration MASTER_DARC_BLUE was given, but no product names it",
        "WARNING in the log: Unrecognized tag MASTER_DARC_BLUE",
    )
    assert not configuration.folders.products_of(ab).exists()


def test_two_runs_give_the_same_data(
    database: Database, configuration: Configuration, uves_biases: list[Path]
) -> None:
    sums = []
    for hour in (10, 11):
        ab = bias_ab(uves_biases, name=f"UVES.2019-03-04T{hour}:00:00.000_tpl.ab")
        store_ab(database, configuration, ab)
        run_ab(database, configuration, RELEASE, ab.name)
        sums.append(read_header(configuration.folders.products_of(ab) / "masterbias_blue.fits")["DATASUM"])
    assert sums[0] == sums[1]


def test_the_recipe_in_a_container_of_its_own(
    runner: DockerRunner, image: str, work: WorkFolder, uves_biases: list[Path]
) -> None:
    """The bare contract, without our database: SOF in, products and their list out."""
    sof = work.input / "job.sof"
    for path in uves_biases:
        os.link(path, work.input / path.name)
    sof.write_text("".join(f"/job/input/{path.name} BIAS_BLUE\n" for path in uves_biases))
    command = recipe_command("uves_cal_mbias", PurePosixPath("/job/input/job.sof"), {"stack_method": "mean"})
    end = runner.run(job(work, image, *command, memory_gb=1.0), lambda _: None, never)
    assert end.exit_code == 0
    assert {"masterbias_blue.fits", "products.json", "esorex.log"} <= {
        path.name for path in work.output.iterdir()
    }
    assert read_header(work.output / "masterbias_blue.fits")["PRO.REC1.PARAM5.VALUE"] == "MEAN"
