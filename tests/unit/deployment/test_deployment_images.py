"""Pipeline images: built when their folder has changed, labelled with what is inside."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix.config.site import Engine
from phoenix.deployment.base_image import debian_sources
from phoenix.deployment.engine import connect
from phoenix.deployment.images import (
    LABEL_VERSION,
    PipelineFolder,
    current_image,
    ensure_images,
    pipeline_folders,
)
from phoenix.deployment.installation import Installation
from phoenix.errors import ConfigError, InfrastructureError

DOCKERFILE = 'FROM phoenix-base:bookworm\nLABEL org.phoenix.pipeline.package="dpkg"\n'


@pytest.fixture
def folder(tmp_path: Path) -> PipelineFolder:
    """A pipeline of a name nobody else has."""
    path = tmp_path / "docker" / "pipelines" / f"test{uuid.uuid4().hex[:8]}"
    path.mkdir(parents=True)
    (path / "Dockerfile").write_text(DOCKERFILE)
    return PipelineFolder(path)


@pytest.fixture
def installation(tmp_path: Path, folder: PipelineFolder) -> Iterator[Installation]:
    yield Installation(tmp_path / "var", tmp_path, project=tmp_path)
    client = connect(Engine())
    for image in client.images.list(folder.repository):
        client.images.remove(image.id, force=True)
    client.images.prune({"dangling": True, "label": "org.phoenix.pipeline.package=dpkg"})


def test_every_folder_with_a_dockerfile_is_a_pipeline(tmp_path: Path, folder: PipelineFolder) -> None:
    (tmp_path / "docker" / "pipelines" / "notes").mkdir()
    assert pipeline_folders(tmp_path) == [folder]


def test_the_project_has_the_uves_pipeline() -> None:
    assert "phoenix-uves" in [folder.repository for folder in pipeline_folders(Installation.here().project)]


def test_the_source_hash_follows_names_and_contents(folder: PipelineFolder) -> None:
    hashes = {folder.source}
    (folder.path / "a").write_text("1")
    hashes.add(folder.source)
    (folder.path / "a").write_text("2")
    hashes.add(folder.source)
    (folder.path / "a").rename(folder.path / "b")
    hashes.add(folder.source)
    assert len(hashes) == 4


def test_another_base_is_refused(folder: PipelineFolder) -> None:
    (folder.path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(ConfigError, match="Dockerfile"):
        _ = folder.suite


def test_sources_of_a_suite_this_machine_has_not_come_from_the_public_mirror() -> None:
    lines = debian_sources("potato")
    assert [line.split()[2] for line in lines] == ["potato", "potato-security"]
    assert all("deb.debian.org" in line for line in lines)


@pytest.mark.engine
def test_an_image_is_built_once_and_again_when_its_folder_changes(
    installation: Installation, folder: PipelineFolder
) -> None:
    client = connect(Engine())
    said: list[str] = []
    (name,) = ensure_images(client, installation, said.append)
    image = current_image(client, folder)
    assert image is not None
    assert name == f"{folder.repository}:{image.labels[LABEL_VERSION]}"
    assert image.labels[LABEL_VERSION].split(".")[0].isdigit()
    said.clear()
    assert ensure_images(client, installation, said.append) == [name]
    assert said == []
    (folder.path / "Dockerfile").write_text(DOCKERFILE + "LABEL another=1\n")
    assert current_image(client, folder) is None
    ensure_images(client, installation, said.append)
    rebuilt = current_image(client, folder)
    assert rebuilt is not None
    assert rebuilt.id != image.id


@pytest.mark.engine
def test_a_failing_build_is_told_with_its_last_lines(
    installation: Installation, folder: PipelineFolder
) -> None:
    (folder.path / "Dockerfile").write_text(DOCKERFILE + "RUN echo the reason; exit 3\n")
    with pytest.raises(InfrastructureError, match="the reason"):
        ensure_images(connect(Engine()), installation, lambda _line: None)


@pytest.mark.engine
def test_a_package_that_is_not_named_is_asked_for(installation: Installation, folder: PipelineFolder) -> None:
    (folder.path / "Dockerfile").write_text("FROM phoenix-base:bookworm\n")
    with pytest.raises(ConfigError, match=r"org\.phoenix\.pipeline\.package"):
        ensure_images(connect(Engine()), installation, lambda _line: None)


@pytest.mark.engine
def test_the_uves_image_is_what_it_says_and_gives_no_privileges() -> None:
    client = connect(Engine())
    ensure_images(client, Installation.here(), lambda _line: None)

    def run(script: str, user: str | None = None) -> str:
        container = client.containers.create(
            "phoenix-uves", entrypoint=["sh", "-c", script], network_mode="none", user=user
        )
        try:
            container.start()
            container.wait()
            return container.logs().decode().strip()
        finally:
            container.remove(force=True)

    version = client.images.get("phoenix-uves").labels[LABEL_VERSION]
    assert run("id -u") == "1000"
    assert run("find / -xdev -type f -perm /6000", user="root") == ""
    assert version in run("dpkg-query --show cpl-plugin-uves")
    assert "uves_cal_mbias" in run("esorex --recipes")
    assert run("command -v fitsverify") == "/usr/bin/fitsverify"
