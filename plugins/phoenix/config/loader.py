"""Reads include/config; an error names file, field, value found and what is right.

Each file is read when it is asked for, so that a broken one hides nothing but itself.
"""

from __future__ import annotations

import difflib
import os
import socket
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import ValidationError

from phoenix.config.base import Strict
from phoenix.config.crosscheck import Files, crosscheck
from phoenix.config.folders import DataFolders
from phoenix.config.instrument import Instrument
from phoenix.config.qc import Qc
from phoenix.config.release import Release
from phoenix.config.rules import Rules
from phoenix.config.site import Engine, Host, ProcessingHost, Site
from phoenix.errors import ConfigError

#: The deployment this package was checked out with: plugins/phoenix/config/loader.py -> three folders up.
PROJECT = Path(__file__).resolve().parents[3]

#: The generated JSON schemas, for editors and people.
SCHEMA_FOLDER = "include/config/schema"

_Model = TypeVar("_Model", bound=Strict)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without silent overwriting: a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _text(loader: _UniqueKeyLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


# Dates stay text until the schema reads them: then a wrong one is told with its field.
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:timestamp", _text)


class Configuration:
    """All of include/config plus the data root.

    Parameters
    ----------
    folder : Path, optional
        The configuration folder; default ``PHOENIX_CONFIG``, else ``include/config`` of the project.
    root : Path, optional
        The data root; default ``PHOENIX_ROOT``, else ``var`` of the project.
    """

    def __init__(self, folder: Path | None = None, root: Path | None = None) -> None:
        self.folder = (
            folder or Path(os.environ.get("PHOENIX_CONFIG") or PROJECT / "include" / "config")
        ).resolve()
        self.root = (root or Path(os.environ.get("PHOENIX_ROOT") or PROJECT / "var")).resolve()

    @cached_property
    def site(self) -> Site:
        """The site's ``phoenix.yaml``."""
        return _read(self.folder / "phoenix.yaml", Site)

    @cached_property
    def folders(self) -> DataFolders:
        """Absolute folders of this site."""
        return DataFolders(self.root, self.site.folders, self._final_tree)

    @property
    def host(self) -> Host:
        """What recipes may use of this machine: its entry among ``hosts``, else ``host``."""
        listed = self._listed_host()
        return listed.limits if listed else self.site.host

    @property
    def engine(self) -> Engine:
        """The engine recipes of this machine run in."""
        listed = self._listed_host()
        return listed.engine if listed else self.site.engine

    @property
    def host_name(self) -> str:
        """Name of this machine among ``hosts``: ``PHOENIX_HOST``, else what it calls itself."""
        return os.environ.get("PHOENIX_HOST") or socket.gethostname().partition(".")[0]

    def _listed_host(self) -> ProcessingHost | None:
        return self.site.hosts.get(self.host_name)

    @property
    def ui_url(self) -> str:
        """Airflow's address for links: ``PHOENIX_UI_URL``, which `make up` sets, else the site's."""
        return os.environ.get("PHOENIX_UI_URL") or self.site.ui_url

    def instrument(self, name: str) -> Instrument:
        """Return the configuration of an instrument, e.g. ``UVES``."""
        return self._named("instruments", name.lower(), Instrument)

    def rules(self, instrument: str) -> Rules:
        """Return the association rules of an instrument."""
        return self._named("rules", instrument.lower(), Rules)

    def qc(self, instrument: str) -> Qc:
        """Return the QC configuration of an instrument."""
        return self._named("qc", instrument.lower(), Qc)

    def release(self, name: str) -> Release:
        """Return a release, e.g. ``UVES_R3``."""
        return self._named("releases", name, Release)

    def names(self, section: str) -> tuple[str, ...]:
        """Return the names of a section's files: ``instruments``, ``rules``, ``qc`` or ``releases``."""
        return tuple(sorted(path.stem for path in (self.folder / section).glob("*.yaml")))

    def _final_tree(self, release: str) -> str:
        """Return where a release stores processed ABs; one that is configured no more, in its own tree."""
        return self.release(release).tree if release in self.names("releases") else release

    def _named(self, section: str, name: str, model: type[_Model]) -> _Model:
        known = self.names(section)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"{section}/{name}.yaml",
                "there is no such file",
                f"one of {', '.join(known) or '(none)'}",
                f"did you mean {near[0]}?" if near else f"add it to {self.folder / section}",
            )
        return _read(self.folder / section / f"{name}.yaml", model)

    def check(self) -> list[ConfigError]:
        """Read every file and return all errors, instead of raising the first; those between files too."""
        errors: list[ConfigError] = []

        def readable(section: str, model: type[_Model]) -> dict[str, _Model]:
            found = {}
            for name in self.names(section):
                try:
                    found[name] = self._named(section, name, model)
                except ConfigError as error:
                    errors.append(error)
            return found

        site = None
        try:
            site = self.site
        except ConfigError as error:
            errors.append(error)
        files = Files(
            instruments=readable("instruments", Instrument),
            rules=readable("rules", Rules),
            qc=readable("qc", Qc),
            releases=readable("releases", Release),
            site=site,
        )
        return [*errors, *crosscheck(files)]


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        stat = path.stat()
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be read: {error.strerror}", remedy="see docs/operators.md, Configuration"
        ) from error
    return cast("_Model", _parse(path, stat.st_mtime_ns, model))


@lru_cache(maxsize=256)
def _parse(path: Path, _mtime_ns: int, model: type[_Model]) -> _Model:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            str(path),
            f"not valid YAML: {' '.join(str(error).split())}",
            "YAML that can be read, each key once",
            "mend it at the line named; texts that hold ': ' or ' #' need quotes",
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            str(path),
            f"holds {type(content).__name__}",
            "a mapping of fields to values",
            "write lines of the form field: value",
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explain(path, error, model) from error


def _explain(path: Path, error: ValidationError, model: type[Strict]) -> ConfigError:
    """Turn the first of pydantic's errors into words, and count the rest."""
    details = error.errors()
    # A misspelt field is unknown and leaves another one missing: its spelling is what helps.
    first = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
    context = first.get("ctx", {})
    place, found, expected = [str(part) for part in first["loc"]], first.get("input"), first["msg"]
    remedy = f"{SCHEMA_FOLDER}/{model.__name__.lower()}.json tells what may stand there"
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        remedy = f"did you mean {near[0]}?" if near else "remove it or mend its spelling"
        found, expected = place[-1], f"a known field: {', '.join(known)}" if known else "a known field"
    elif first["type"] == "missing":
        found, expected, remedy = None, "a value: the field is mandatory", f"add {place[-1]}"
    elif first["type"] == "wrong_field":
        place.append(context["field"])
        found = context["found"]
    if len(details) > 1:
        remedy = f"{remedy} ({len(details) - 1} more error(s) in this file)"
    shown = "nothing" if found is None else "a mapping" if isinstance(found, dict) else repr(found)[:200]
    return ConfigError(
        f"{path}, field {'.'.join(place) or '(whole file)'}",
        f"found {shown}",
        expected.removeprefix("Value error, "),
        remedy,
    )


def _fields_at(model: type[Strict], place: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the fields of the model at a place in the file, as YAML spells them; empty if unclear."""
    current: Any = model
    for part in place:
        if not (isinstance(current, type) and issubclass(current, Strict)):
            break
        if isinstance(part, str) and part in current.model_fields:
            current = _model_within(current.model_fields[part].annotation)
    if not (isinstance(current, type) and issubclass(current, Strict)):
        return ()
    return tuple(field.alias or name for name, field in current.model_fields.items())


def _model_within(annotation: Any) -> Any:
    """Return the model an annotation is made of: that of ``tuple[Task, ...]`` is Task."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    for argument in get_args(annotation):
        if (found := _model_within(argument)) is not None:
            return found
    return None
