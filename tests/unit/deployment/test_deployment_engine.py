"""The Docker engine: what is said when there is none, and a real second one that is started and stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix.config.site import Engine
from phoenix.deployment import engine as engine_module
from phoenix.deployment.engine import ensure_engine, start_daemon, stop_containers, stop_engine
from phoenix.deployment.images import ensure_images
from phoenix.deployment.installation import Installation
from phoenix.errors import InfrastructureError
from phoenix.execution.container import LABEL_AB
from phoenix.execution.engine_connection import connect

IMAGE = "phoenix-uves"


def silent(_line: str) -> None:
    """Drop a line of progress."""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    (tmp_path / "phoenix.yaml").write_text("site: test\n")
    return Installation(tmp_path / "var", tmp_path)


def test_a_configured_engine_that_is_silent_is_named(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "phoenix.yaml").write_text(f"site: test\nengine: {{url: 'unix://{tmp_path}/none.sock'}}\n")
    with pytest.raises(InfrastructureError, match=r"none\.sock") as caught:
        ensure_engine(installation, silent)
    assert "remove the setting" in caught.value.remedy


def test_an_engine_named_by_the_environment_is_not_replaced(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(InfrastructureError, match="DOCKER_HOST"):
        ensure_engine(installation, silent)


@pytest.mark.parametrize(
    ("program", "command"), [(None, "apt-get install"), ("/usr/sbin/dockerd", "usermod")]
)
def test_who_is_not_root_is_told_the_commands(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, program: str | None, command: str
) -> None:
    def nobody_answers(_engine: Engine) -> None:
        raise InfrastructureError("Docker engine", "does not answer")

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine_module, "connect", nobody_answers)
    monkeypatch.setattr(engine_module, "_SOCKET", Path("/nonexistent/docker.sock"))
    monkeypatch.setattr("shutil.which", lambda _name: program)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InfrastructureError) as caught:
        ensure_engine(installation, silent)
    assert command in caught.value.remedy


def test_there_is_nothing_to_stop_when_nothing_was_started(installation: Installation) -> None:
    assert not stop_engine(installation, silent)


@pytest.fixture
def second_engine(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """An engine beside the machine's own, without a network."""
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine")
    engine = Engine(url=f"unix://{tmp_path}/docker.sock")
    arguments = ["--bridge=none", "--iptables=false", f"--host={engine.url}"]
    for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "docker.pid")):
        arguments.append(f"--{option}={tmp_path / name}")
    # In a network of its own: a second engine would clear away the bridge of the first.
    wrapper = tmp_path / "bin" / "dockerd"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec unshare --net {shutil.which("dockerd")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    start_daemon(installation, silent, engine, arguments)
    yield engine
    stop_engine(installation, silent, engine)
    subprocess.run(["umount", tmp_path / "exec" / "netns" / "default"], check=False, capture_output=True)


@pytest.mark.engine
def test_an_engine_started_here_is_stopped_here(installation: Installation, second_engine: Engine) -> None:
    assert connect(second_engine).ping()
    assert stop_engine(installation, silent, second_engine)
    with pytest.raises(InfrastructureError):
        connect(second_engine)


@pytest.mark.engine
def test_an_engine_stays_while_it_runs_containers_of_others(
    installation: Installation, second_engine: Engine
) -> None:
    machine, second = connect(Engine()), connect(second_engine)
    ensure_images(machine, Installation.here(), silent)
    second.images.load(machine.images.get(IMAGE).save(named=f"{IMAGE}:latest"))
    said: list[str] = []
    container = second.containers.run(
        IMAGE, name="foreign", entrypoint=["sleep", "300"], network_mode="none", detach=True
    )
    try:
        assert not stop_engine(installation, said.append, second_engine)
        assert "foreign" in said[0]
        assert connect(second_engine).ping()
    finally:
        container.remove(force=True)
    assert stop_engine(installation, silent, second_engine)


@pytest.mark.engine
def test_a_daemon_that_cannot_start_leaves_its_words(installation: Installation, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no-such-option"):
        start_daemon(installation, silent, Engine(url=f"unix://{tmp_path}/x.sock"), ["--no-such-option"])


@pytest.mark.engine
def test_only_this_installations_recipe_containers_are_stopped(
    installation: Installation, tmp_path: Path
) -> None:
    client = connect(Engine())
    ensure_images(client, Installation.here(), silent)
    (tmp_path / "elsewhere").mkdir()
    installation.root.mkdir()

    def start(folder: Path, labels: dict[str, str]) -> str:
        container = client.containers.run(
            IMAGE,
            entrypoint=["sleep", "300"],
            network_mode="none",
            labels=labels,
            volumes=[f"{folder}:/job:ro"],
            detach=True,
        )
        return str(container.name)

    ours = start(installation.root, {LABEL_AB: "UVES.x.ab"})
    others = [start(tmp_path / "elsewhere", {LABEL_AB: "UVES.x.ab"}), start(installation.root, {})]
    try:
        assert stop_containers(installation) == [ours]
        running = {container.name for container in client.containers.list()}
        assert running.issuperset(others)
    finally:
        for name in others:
            client.containers.get(name).remove(force=True)
