"""The command line of a recipe, with parameters held against the recipe's own list."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from phoenix.errors import RecipeError
from phoenix.execution.container import OUTPUT
from phoenix.model.frame import Value

PRODUCTS_LIST = "products.json"
RECIPE_LOG = "esorex.log"

#: Written by the container after the recipe: CPU times, peaks of memory, processes killed for want of it.
USAGE_FILE = ".usage"

# A constant: what varies arrives as arguments, never read by the shell. The kernel's accounting vanishes with
# the container, so the last thing that runs in it writes it down; both cgroup versions are asked. They count
# files read and written as memory: GNU time, where the image has it, tells the recipe's own.
# Both outputs of the recipe go into one pipe: of two, errors can overtake the words that explain them.
_MEASURED = f"""\
usage={OUTPUT}/{USAGE_FILE}
if [ -x /usr/bin/time ]; then set -- /usr/bin/time --quiet --format 'maxrss %M' --output $usage "$@"; fi
"$@" 2>&1
status=$?
cd /sys/fs/cgroup
{{ times; cat memory.peak memory/memory.max_usage_in_bytes memory.events memory/memory.oom_control; }} \
>> $usage 2> /dev/null
exit $status
"""


@dataclass(frozen=True, slots=True)
class RecipeParameter:
    """A parameter as the recipe describes it.

    Attributes
    ----------
    name
        As on the command line, without the dashes.
    kind
        ``bool``, ``int``, ``double`` or ``string``.
    choices
        Allowed values; empty when any will do.
    """

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    at_least: float = -math.inf
    at_most: float = math.inf


def recipe_command(
    recipe: str, sof: PurePosixPath, parameters: Mapping[str, str], program: str = "esorex"
) -> tuple[str, ...]:
    """Return program and arguments that run a recipe, for any program with esorex's contract."""
    return (
        "/bin/sh",
        "-c",
        _MEASURED,
        "sh",
        program,
        f"--output-dir={OUTPUT}",
        f"--log-dir={OUTPUT}",
        f"--log-file={RECIPE_LOG}",
        f"--products-sof={OUTPUT / PRODUCTS_LIST}",
        recipe,
        *(f"--{name}={value}" for name, value in parameters.items()),
        str(sof),
    )


def checked_parameters(
    recipe: str, parameters: Mapping[str, Value], known: Sequence[RecipeParameter]
) -> dict[str, str]:
    """Return parameters as the recipe wants them written.

    Raises
    ------
    RecipeError
        If the recipe has no such parameter, or does not allow the value.
    """
    by_name = {parameter.name: parameter for parameter in known}
    written: dict[str, str] = {}
    for name, value in parameters.items():
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            raise RecipeError(
                f"parameter {name} of {recipe}",
                "the recipe has no such parameter",
                f"one of {', '.join(sorted(by_name)) or '(none)'}",
                f"did you mean {near[0]}?" if near else "mend it in the release, the rules or the AB",
            )
        written[name] = _written(recipe, by_name[name], value)
    return written


def _written(recipe: str, parameter: RecipeParameter, value: Value) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    expected = _objection(parameter, text)
    if expected:
        raise RecipeError(
            f"parameter {parameter.name} of {recipe}",
            f"found {text!r}",
            expected,
            "mend it in the release, the rules or the AB",
        )
    return text


def _objection(parameter: RecipeParameter, text: str) -> str:
    """Return what was expected instead of a value; empty when the value will do."""
    if parameter.choices and text not in parameter.choices:
        return f"one of {', '.join(parameter.choices)}"
    if parameter.kind == "bool" and text.lower() not in {"true", "false"}:
        return "true or false"
    if parameter.kind in {"int", "double"}:
        try:
            number = int(text) if parameter.kind == "int" else float(text)
        except ValueError:
            return "a whole number" if parameter.kind == "int" else "a number"
        if not parameter.at_least <= number <= parameter.at_most:
            return f"a number from {parameter.at_least:g} to {parameter.at_most:g}"
    if any(ord(character) < 32 for character in text):
        return "text without control characters"
    return ""
