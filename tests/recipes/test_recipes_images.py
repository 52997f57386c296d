"""Each pipeline image knows the recipes and parameters the configuration names, and gives no privileges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.deployment.image_folders import ImageFolder, image_folders
from phoenix.deployment.images import LABEL_VERSION, ensure_images
from phoenix.deployment.installation import Installation
from phoenix.execution.command import checked_parameters
from phoenix.execution.docker_engine import DockerRunner
from phoenix.execution.pipeline import RecipeFacts, recipe_facts
from phoenix.model.frame import Value

pytestmark = pytest.mark.engine

CONFIGURATION = Configuration()
FOLDERS = {folder.repository: folder for folder in image_folders(Installation.here().project)}
#: What needs a kit nobody may pass on is tested with its stand-in.
STAND_INS = {"phoenix-kmos": "phoenix-kmos-stand-in"}


def recipes_of_rules() -> list[tuple[str, str, str]]:
    """Instrument, image and recipe, for every recipe the rules name."""
    named = []
    for name in CONFIGURATION.names("instruments"):
        instrument = CONFIGURATION.instrument(name)
        recipes = dict.fromkeys(task.recipe for task in CONFIGURATION.rules(name).tasks)
        for recipe in recipes:
            image = instrument.pipeline_of(recipe).image
            named.append((name, image, recipe))
    return named


def parameters_set(instrument: str, recipe: str) -> Iterator[dict[str, Value]]:
    """Every set of parameters the configuration gives a recipe: rules, instrument, PGIs of the releases."""
    yield dict(CONFIGURATION.instrument(instrument).recipes[recipe].parameters)
    for task in CONFIGURATION.rules(instrument).tasks:
        if task.recipe == recipe:
            yield dict(task.parameters)
    for release in map(CONFIGURATION.release, CONFIGURATION.names("releases")):
        if release.instrument == instrument:
            for pgi in release.pgis:
                if pgi.name == "set_parameters":
                    yield from (entry["parameters"] for entry in pgi.config if entry["recipe"] == recipe)


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    with closing(docker.from_env()) as client:
        ensure_images(client, Installation.here(), lambda _line: None)
        yield client


@pytest.fixture(scope="module")
def runner(engine: docker.DockerClient) -> Iterator[DockerRunner]:
    with DockerRunner(Engine(), "test") as runner:
        yield runner


def available(repository: str) -> str:
    """Return the image, or its stand-in if this machine cannot make it."""
    return STAND_INS.get(repository, repository) if FOLDERS[repository].problem else repository


def facts(runner: DockerRunner, repository: str, recipe: str, cache: Path) -> RecipeFacts:
    return recipe_facts(runner, runner.image_id(available(repository)), recipe, cache, lambda: False)


@pytest.mark.parametrize(("instrument", "image", "recipe"), recipes_of_rules())
def test_the_image_knows_recipe_and_parameters(
    engine: docker.DockerClient,
    runner: DockerRunner,
    tmp_path: Path,
    instrument: str,
    image: str,
    recipe: str,
) -> None:
    told = facts(runner, image, recipe, tmp_path)
    assert told.version == engine.images.get(available(image)).labels[LABEL_VERSION]
    for parameters in parameters_set(instrument, recipe):
        assert checked_parameters(recipe, parameters, told.parameters).keys() == parameters.keys()


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_an_image_gives_no_privileges(engine: docker.DockerClient, folder: ImageFolder) -> None:
    if folder.problem:
        assert folder.kit_pattern
        return

    def run(script: str, user: str | None = None) -> str:
        container = engine.containers.create(
            folder.tag, entrypoint=["sh", "-c", script], network_mode="none", user=user
        )
        try:
            container.start()
            container.wait()
            return container.logs(stderr=False).decode().strip()
        finally:
            container.remove(force=True)

    assert run("id -u") == "1000"
    assert run("find / -xdev -type f -perm /6000", user="root") == ""
