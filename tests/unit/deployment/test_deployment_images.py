"""Pipeline images: built when their folder has changed, labelled with what is inside."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix.config.site import Engine
from phoenix.deployment.base_image import PackageSource, debian_sources
from phoenix.deployment.engine import connect
from phoenix.deployment.image_folders import ImageFolder, image_folders
from phoenix.deployment.images import LABEL_VERSION, current_image, ensure_images
from phoenix.deployment.installation import Installation
from phoenix.errors import ConfigError, InfrastructureError, UsageError

DOCKERFILE = 'FROM phoenix-base:bookworm\nLABEL org.phoenix.pipeline.package="dpkg"\n'
PROGRAM = """\
#!/bin/sh
case "$1" in
--recipes) echo "  toy_bias   : a toy" ;;
*) echo "  $2 -- version 7.8.9" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    """A pipeline of a name nobody else has."""
    path = tmp_path / "docker" / "pipelines" / f"test{uuid.uuid4().hex[:8]}"
    path.mkdir(parents=True)
    (path / "Dockerfile").write_text(DOCKERFILE)
    (folder,) = image_folders(tmp_path)
    return folder


@pytest.fixture
def installation(tmp_path: Path, folder: ImageFolder) -> Iterator[Installation]:
    yield Installation(tmp_path / "var", tmp_path, project=tmp_path)
    client = connect(Engine())
    for image in client.images.list(folder.repository):
        client.images.remove(image.id, force=True)
    client.images.prune({"dangling": True, "label": "org.phoenix.pipeline.package=dpkg"})


def reread(folder: ImageFolder) -> ImageFolder:
    """Return the folder as it is now."""
    return next(now for now in image_folders(folder.project) if now.path == folder.path)


def test_every_folder_with_a_dockerfile_is_an_image(tmp_path: Path, folder: ImageFolder) -> None:
    (tmp_path / "docker" / "pipelines" / "notes").mkdir()
    assert image_folders(tmp_path) == [folder]


def test_the_project_has_an_image_for_every_instrument_and_for_its_own_recipes() -> None:
    project = Installation.here().project
    names = {folder.repository for folder in image_folders(project)}
    assert {f"phoenix-{path.stem}" for path in project.glob("include/config/instruments/*.yaml")} <= names
    assert "phoenix-recipes" in names


def test_the_source_hash_follows_names_and_contents(folder: ImageFolder) -> None:
    hashes = {folder.source}
    (folder.path / "a").write_text("1")
    hashes.add(folder.source)
    (folder.path / "a").write_text("2")
    hashes.add(folder.source)
    (folder.path / "a").rename(folder.path / "b")
    hashes.add(folder.source)
    assert len(hashes) == 4


@pytest.mark.parametrize("line", ["FROM scratch", "FROM phoenix-base", "FROM phoenix-nobody:latest"])
def test_another_base_is_refused(folder: ImageFolder, line: str) -> None:
    folder.dockerfile.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match="Dockerfile"):
        _ = reread(folder).source


def test_an_image_is_out_of_date_when_the_one_below_is(tmp_path: Path, folder: ImageFolder) -> None:
    stand_in = tmp_path / "docker" / "stand-ins" / "toy"
    stand_in.mkdir(parents=True)
    (stand_in / "Dockerfile").write_text(f"FROM {folder.repository}\n")

    def source() -> str:
        return next(now.source for now in image_folders(tmp_path) if now.repository == "phoenix-toy-stand-in")

    before = source()
    (folder.path / "a").write_text("1")
    assert source() != before


def test_our_recipes_code_is_part_of_the_images_that_run_it(tmp_path: Path) -> None:
    (tmp_path / "docker" / "recipes").mkdir(parents=True)
    (tmp_path / "docker" / "recipes" / "Dockerfile").write_text(
        "FROM phoenix-base:bookworm\nCOPY code /code\n"
    )
    package = tmp_path / "plugins" / "phoenix"
    (package / "recipes").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "recipes/combine.py"):
        (package / name).write_text("")
    context = io.BytesIO()
    (folder,) = image_folders(tmp_path)
    folder.write_context(context)
    context.seek(0)
    with tarfile.open(fileobj=context) as tar:
        names = set(tar.getnames())
    assert names == {
        "Dockerfile",
        "code/phoenix/__init__.py",
        "code/phoenix/errors.py",
        "code/phoenix/recipes/combine.py",
    }
    before = folder.source
    (package / "recipes" / "combine.py").write_text("VERSION = 2")
    assert folder.source != before


def test_a_pipeline_whose_kit_is_not_there_cannot_be_made(folder: ImageFolder) -> None:
    folder.dockerfile.write_text('ARG KIT="toy-kit-*.tar.gz"\n' + DOCKERFILE)
    assert "no toy-kit-*.tar.gz in docker/pipelines/test" in reread(folder).problem
    (folder.path / "toy-kit-1.0.tar.gz").touch()
    without = reread(folder).source
    (folder.path / "toy-kit-1.1.tar.gz").touch()
    now = reread(folder)
    assert now.problem == ""
    assert now.build_arguments == {"KIT": "toy-kit-1.1.tar.gz"}
    assert now.source != without


def nothing_there(_mirror: str, _suite: str) -> bool:
    return False


def test_sources_of_a_suite_this_machine_has_not_come_from_the_public_mirror() -> None:
    sources = debian_sources("potato", nothing_there)
    assert [source.suite for source in sources] == ["potato", "potato-security"]
    assert all("http://deb.debian.org/" in source.line for source in sources)


def test_a_suite_laid_to_rest_comes_from_the_archive_and_its_old_signature_is_taken() -> None:
    def only_the_archive(mirror: str, suite: str) -> bool:
        return "archive.debian.org" in mirror and suite == "potato"

    (source,) = debian_sources("potato", only_the_archive)
    assert source == PackageSource("http://archive.debian.org/debian", "potato", archived=True)
    assert source.line == "deb [check-valid-until=no] http://archive.debian.org/debian potato main"


@pytest.mark.engine
def test_an_image_is_built_once_and_again_when_its_folder_changes(
    installation: Installation, folder: ImageFolder
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
    folder.dockerfile.write_text(DOCKERFILE + "LABEL another=1\n")
    assert current_image(client, reread(folder)) is None
    ensure_images(client, installation, said.append)
    rebuilt = current_image(client, reread(folder))
    assert rebuilt is not None
    assert rebuilt.id != image.id


@pytest.mark.engine
def test_a_failing_build_is_told_with_its_last_lines(installation: Installation, folder: ImageFolder) -> None:
    folder.dockerfile.write_text(DOCKERFILE + "RUN echo the reason; exit 3\n")
    with pytest.raises(InfrastructureError, match="the reason"):
        ensure_images(connect(Engine()), installation, lambda _line: None)


@pytest.mark.engine
def test_without_a_package_the_recipes_tell_the_version(
    installation: Installation, folder: ImageFolder
) -> None:
    folder.dockerfile.write_text("FROM phoenix-base:bookworm\n")
    with pytest.raises(InfrastructureError, match=r"org\.phoenix\.pipeline\.package"):
        ensure_images(connect(Engine()), installation, lambda _line: None)
    (folder.path / "esorex").write_text(PROGRAM)
    (folder.path / "esorex").chmod(0o755)
    folder.dockerfile.write_text("FROM phoenix-base:bookworm\nCOPY esorex /usr/bin/\n")
    assert ensure_images(connect(Engine()), installation, lambda _line: None) == [
        f"{folder.repository}:7.8.9"
    ]


@pytest.mark.engine
def test_what_cannot_be_made_is_left_out_unless_it_is_asked_for(
    installation: Installation, folder: ImageFolder
) -> None:
    folder.dockerfile.write_text('ARG KIT="toy-kit-*.tar.gz"\n' + DOCKERFILE)
    said: list[str] = []
    assert ensure_images(connect(Engine()), installation, said.append) == []
    assert [line for line in said if "left out: no toy-kit" in line]
    with pytest.raises(UsageError, match="toy-kit"):
        ensure_images(connect(Engine()), installation, said.append, [folder.name])
    with pytest.raises(UsageError, match="no such image"):
        ensure_images(connect(Engine()), installation, said.append, ["nobody"])
