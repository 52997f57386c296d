"""The command line of esorex, as far as PHOENIX uses it, for recipes written in Python.

``esorex [options] RECIPE [recipe options] SOF``, products and their list in the output folder, messages in
esorex's form, exit codes of CPL.
"""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import read_sof
from phoenix.recipes.messages import Messages, say
from phoenix.recipes.parameters import ParameterValues, as_text
from phoenix.recipes.product import Product, write_product
from phoenix.recipes.product_header import complete_header
from phoenix.recipes.recipe import Pipeline, Recipe

_PROGRAM = "esorex"
_OPTIONS = {
    "recipes": "list the recipes",
    "version": "tell the version",
    "help": "tell how to use this program",
    "man-page": "describe a recipe",
    "params": "list a recipe's parameters",
    "create-config": "=FILE.json: write a recipe's parameters",
    "output-dir": "=FOLDER of the products",
    "log-dir": "=FOLDER of the log",
    "log-file": "=FILE, name of the log",
    "products-sof": "=FILE.json: list of the products",
}
_FOLDER_HERE = "."


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line, taken apart.

    Attributes
    ----------
    options
        Of the program, before the recipe's name; ``true`` where no value was given.
    parameters
        Of the recipe, behind its name.
    """

    options: dict[str, str] = field(default_factory=dict)
    recipe: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    sof: str = ""


def run(pipeline: Pipeline, arguments: Sequence[str]) -> int:
    """Do what a command line asks; return the exit code."""
    messages = Messages(_PROGRAM)
    if pipeline.notice:
        messages.info(pipeline.notice)
    say(f"\n     ***** {pipeline.identity}: recipes with the contract of {_PROGRAM} *****\n")
    try:
        line = parse(arguments)
        if "version" in line.options:
            return 0
        if "recipes" in line.options:
            _list_recipes(pipeline)
            return 0
        if "help" in line.options or not line.recipe:
            _print_usage()
            return 0
        recipe = _recipe(pipeline, line.recipe)
        if _describe(pipeline, recipe, line):
            return 0
        return _execute(pipeline, recipe, line)
    except ReductionError as failure:
        messages.error(_sentence(failure))
        return failure.cpl_code


def parse(arguments: Sequence[str]) -> CommandLine:
    """Take a command line apart.

    Raises
    ------
    ReductionError
        If an option is unknown or there is a word too many.
    """
    line, words = CommandLine(), []
    for argument in arguments:
        if not argument.startswith("--"):
            words.append(argument)
            continue
        name, _, value = argument.removeprefix("--").partition("=")
        if words:
            line.parameters[name] = value
        elif name in _OPTIONS:
            line.options[name] = value or "true"
        else:
            raise ReductionError(
                CplCode.COMMAND_LINE, "command line", f"option {argument} not recognized", ", ".join(_OPTIONS)
            )
    if len(words) > 2:
        raise ReductionError(
            CplCode.COMMAND_LINE, "command line", f"{len(words)} words", "a recipe and one set of frames"
        )
    recipe, sof, *_ = [*words, "", ""]
    return CommandLine(line.options, recipe, line.parameters, sof)


def _recipe(pipeline: Pipeline, name: str) -> Recipe:
    found = next((recipe for recipe in pipeline.recipes if recipe.name == name), None)
    if found is None:
        raise ReductionError(
            CplCode.INCOMPATIBLE_INPUT,
            f"recipe {name}",
            "unable to find it",
            ", ".join(recipe.name for recipe in pipeline.recipes),
        )
    return found


def _list_recipes(pipeline: Pipeline) -> None:
    say("List of available recipes :\n")
    for recipe in pipeline.recipes:
        say(f"  {recipe.name:<26}: {recipe.title}")


def _print_usage() -> None:
    say(f"Usage: {_PROGRAM} [options] recipe [recipe options] sof\n")
    for name, words in _OPTIONS.items():
        say(f"  --{name:<14}: {words}")


def _describe(pipeline: Pipeline, recipe: Recipe, line: CommandLine) -> bool:
    """Answer questions about a recipe; return whether there was one."""
    if "create-config" in line.options:
        entries = [parameter.as_json() | {"recipe": recipe.name} for parameter in recipe.parameters]
        Path(line.options["create-config"]).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    if "params" in line.options:
        say("Recipe Parameters :\n")
        for parameter in recipe.parameters:
            say(f"  {parameter.name:<22}: {as_text(parameter.default)}")
    if "man-page" in line.options:
        _print_man_page(pipeline, recipe)
    return not line.options.keys().isdisjoint({"create-config", "params", "man-page"})


def _print_man_page(pipeline: Pipeline, recipe: Recipe) -> None:
    say("NAME")
    say(f"  {recipe.name} -- version {pipeline.version}\n")
    say(f"SYNOPSIS\n  {recipe.title}\n\nDESCRIPTION\n{recipe.description.strip()}\n\nINPUTS")
    for entry in recipe.inputs:
        limits = f"{entry.at_least}..{'n' if entry.at_most is None else entry.at_most}"
        say(f"  {entry.tag:<22}: {entry.group}, {limits}. {entry.description}".rstrip())
    say("\nOPTIONS")
    for parameter in recipe.parameters:
        allowed = f" <{' | '.join(parameter.choices)}>" if parameter.choices else ""
        say(f"  --{parameter.name:<20}: {parameter.description}{allowed} [{as_text(parameter.default)}]")


def _execute(pipeline: Pipeline, recipe: Recipe, line: CommandLine) -> int:
    output = Path(line.options.get("output-dir", _FOLDER_HERE))
    with _log(line) as log:
        messages = Messages(recipe.name, log)
        if pipeline.notice:
            messages.info(pipeline.notice)
        try:
            with _warnings_told(messages):
                products = _reduce(pipeline, recipe, line, messages, output)
        except ReductionError as failure:
            messages.error(_sentence(failure))
            messages.error(f"Execution of recipe '{recipe.name}' failed, status = {failure.cpl_code.value}")
            return failure.cpl_code
        except Exception:
            # The log is all that is left of a container: an error of ours is told there, whole.
            messages.error(traceback.format_exc())
            messages.error(
                f"Execution of recipe '{recipe.name}' failed, status = {CplCode.UNSPECIFIED.value}"
            )
            return CplCode.UNSPECIFIED
        if listing := line.options.get("products-sof"):
            entries = [{"name": product.name, "category": product.pro_catg} for product in products]
            Path(listing).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
        messages.info(f"{len(products)} product{'' if len(products) == 1 else 's'} created")
    return 0


def _reduce(
    pipeline: Pipeline, recipe: Recipe, line: CommandLine, messages: Messages, output: Path
) -> Sequence[Product]:
    values = ParameterValues(recipe.parameters, line.parameters)
    if not line.sof:
        raise ReductionError(CplCode.COMMAND_LINE, "command line", "no set of frames")
    frames = read_sof(Path(line.sof), recipe.inputs)
    messages.info(f"{recipe.name} of {pipeline.identity} reads {len(frames)} frames")
    products = recipe.reduce(frames, values, messages)
    for product in products:
        complete_header(product, frames.of_sof, recipe.name, values, pipeline)
        write_product(product.hdus, output / product.name)
        messages.info(f"Created product {product.name} ({product.pro_catg})")
    return products


@contextmanager
def _log(line: CommandLine) -> Iterator[TextIO | None]:
    name = line.options.get("log-file")
    if name is None:
        yield None
        return
    path = Path(line.options.get("log-dir", _FOLDER_HERE)) / name
    with path.open("w", encoding="utf-8") as log:
        yield log


@contextmanager
def _warnings_told(messages: Messages) -> Iterator[None]:
    """Turn warnings of Python's libraries into messages: what a library doubts, the reader should know."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            yield
        finally:
            for text in dict.fromkeys(str(warning.message) for warning in caught):
                messages.warning(text)


def _sentence(failure: ReductionError) -> str:
    expected = f"; expected {failure.expected}" if failure.expected else ""
    return f"{failure.subject}: {failure.found}{expected}"
