"""What a pipeline says about itself: version and recipe parameters, asked once per image and recipe."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phoenix.errors import RecipeError
from phoenix.execution.command import RecipeParameter
from phoenix.execution.container import OUTPUT, QUESTION, ContainerJob, ContainerRunner
from phoenix.execution.docker_engine import recipe_user
from phoenix.execution.workfolder import give_to_recipe
from phoenix.store.files import write_atomically

_PARAMETERS = "parameters.json"
_RELEASE = re.compile(r"^\s*(\S+) -- version (\S+)\s*$")
_ASK = f'"$1" --create-config={OUTPUT / _PARAMETERS} "$2" && "$1" --man-page "$2"'


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """A recipe as its pipeline describes it.

    Attributes
    ----------
    version
        Version of the pipeline, e.g. ``6.1.8``.
    """

    recipe: str
    version: str
    parameters: tuple[RecipeParameter, ...]


def recipe_facts(
    runner: ContainerRunner, image_id: str, recipe: str, cache: Path, should_stop: Callable[[], bool]
) -> RecipeFacts:
    """Return what a pipeline image says about one of its recipes.

    Parameters
    ----------
    cache : Path
        Folder for answers; an image never changes under its content address, so they hold for ever.

    Raises
    ------
    RecipeError
        If the image has no such recipe.
    InfrastructureError
        If the engine does not answer.
    """
    file = cache / image_id.replace(":", "-") / f"{recipe}.json"
    if file.exists():
        return _read(file)
    facts = _ask(runner, image_id, recipe, cache, should_stop)
    write_atomically(file, json.dumps(asdict(facts), indent=1))
    return facts


def _read(file: Path) -> RecipeFacts:
    content = json.loads(file.read_text(encoding="utf-8"))
    parameters = tuple(
        RecipeParameter(**(entry | {"choices": tuple(entry["choices"])})) for entry in content["parameters"]
    )
    return RecipeFacts(content["recipe"], content["version"], parameters)


def _ask(
    runner: ContainerRunner, image_id: str, recipe: str, cache: Path, should_stop: Callable[[], bool]
) -> RecipeFacts:
    lines: list[str] = []
    with _scratch(cache) as folder:
        end = runner.run(
            ContainerJob(
                release=QUESTION,
                ab=f"{recipe}-{uuid.uuid4().hex[:8]}",
                attempt=1,
                image=image_id,
                command=("/bin/sh", "-c", _ASK, "sh", "esorex", recipe),
                input_folder=folder / "input",
                output_folder=folder / "output",
                memory_gb=0.5,
                cpus=1,
                timeout_s=60,
            ),
            lines.append,
            should_stop,
        )
        answer = folder / "output" / _PARAMETERS
        if end.exit_code != 0 or not answer.exists():
            said = next((line for line in lines if "ERROR" in line), f"exit code {end.exit_code}")
            raise RecipeError(
                f"recipe {recipe}",
                f"its pipeline image does not know it: {said.strip()}",
                remedy="mend recipe or image in rules/ and instruments/; `phoenix doctor` lists the images",
            )
        parameters = tuple(_parameter(entry) for entry in json.loads(answer.read_text(encoding="utf-8")))
    version = next((match[2] for line in lines if (match := _RELEASE.match(line))), "unknown")
    return RecipeFacts(recipe, version, parameters)


def _parameter(entry: dict[str, Any]) -> RecipeParameter:
    return RecipeParameter(
        name=str(entry["display_name"]),
        kind=str(entry["valtype"]),
        choices=tuple(str(choice) for choice in entry.get("valenum", ())),
        at_least=float(entry.get("valmin", -math.inf)),
        at_most=float(entry.get("valmax", math.inf)),
    )


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    """Give a folder with an input and an output the recipe's user may write."""
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".question-", dir=cache))
    try:
        (folder / "input").mkdir()
        (folder / "output").mkdir()
        give_to_recipe(folder / "output", recipe_user())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
