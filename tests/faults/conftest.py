"""Raw frames real recipes are run on, recipes of a shell script, and configurations with a change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from phoenix.config.loader import PROJECT, Configuration
from pretended_recipe import build_pretended_recipe
from uves_frames import three_biases

Change = Callable[[str, Callable[[dict[str, Any]], None]], Configuration]


@pytest.fixture(scope="session")
def uves_biases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three simulated bias frames of the blue arm."""
    return three_biases(tmp_path_factory.mktemp("uves"))


@pytest.fixture(scope="session")
def pretended_recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of an image whose recipe is a shell script."""
    return build_pretended_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """Make the project's configuration with one file changed; changes add up."""
    folder = tmp_path / "config"
    shutil.copytree(PROJECT / "include" / "config", folder)

    def change(file: str, edit: Callable[[dict[str, Any]], None]) -> Configuration:
        content = yaml.safe_load((folder / file).read_text())
        edit(content)
        (folder / file).write_text(yaml.safe_dump(content))
        return Configuration(folder, tmp_path / "var")

    return change


@pytest.fixture
def site(changed: Change, pretended_recipe: str) -> Configuration:
    """The project's configuration, with the pretended recipe as pipeline of UVES."""

    def with_the_pretended_recipe(content: dict[str, Any]) -> None:
        content["pipeline"]["image"] = pretended_recipe

    return changed("instruments/uves.yaml", with_the_pretended_recipe)
