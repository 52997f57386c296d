"""Checks between files: each name one file uses must be there in another."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix.config.instrument import Instrument
from phoenix.config.qc import Qc
from phoenix.config.release import Release
from phoenix.config.rules import Rules
from phoenix.config.site import Site
from phoenix.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Files:
    """The files that could be read, by the name of the file."""

    instruments: dict[str, Instrument]
    releases: dict[str, Release]
    rules: dict[str, Rules]
    qc: dict[str, Qc]
    site: Site | None = None


def crosscheck(files: Files) -> Iterator[ConfigError]:
    """Give an error for each name that leads nowhere; files that could not be read are passed over."""
    for name, instrument in files.instruments.items():
        yield from _named(f"instruments/{name}.yaml", "instrument", instrument.instrument, name.upper())
        release = files.releases.get(instrument.default_release)
        if files.releases and release is None:
            yield _unknown(
                f"instruments/{name}.yaml, field default_release",
                instrument.default_release,
                "release",
                files.releases,
            )
        elif release is not None and release.instrument != instrument.instrument:
            yield ConfigError(
                f"instruments/{name}.yaml, field default_release",
                f"found {instrument.default_release!r}, a release of {release.instrument}",
                f"a release of {instrument.instrument}",
                "mend it here, or the release's instrument",
            )
    filled: dict[str, str] = {name: name for name in files.releases}
    for name, release in files.releases.items():
        yield from _named(f"releases/{name}.yaml", "release", release.release, name)
        if filled.setdefault(release.tree, name) != name:
            yield ConfigError(
                f"releases/{name}.yaml, field final_tree",
                f"found {release.tree!r}, which {filled[release.tree]} fills",
                "a tree of its own: ABs of two releases have the same names",
                "give it another name",
            )
        if files.instruments and release.instrument.lower() not in files.instruments:
            known = [instrument.instrument for instrument in files.instruments.values()]
            yield _unknown(f"releases/{name}.yaml, field instrument", release.instrument, "instrument", known)
        yield from _second_steps(name, release, files)
    if files.site is not None and files.site.hosts:
        yield from _hosts(files.site, files)
    for name, rules in files.rules.items():
        yield from _named(f"rules/{name}.yaml", "instrument", rules.instrument, name.upper())
        if name in files.instruments:
            recipes = files.instruments[name].recipes
            for number, task in enumerate(rules.tasks):
                if task.recipe not in recipes:
                    place = f"rules/{name}.yaml, field tasks.{number}.recipe"
                    yield _unknown(place, task.recipe, f"recipe in instruments/{name}.yaml", recipes)
    for name, qc in files.qc.items():
        yield from _named(f"qc/{name}.yaml", "instrument", qc.instrument, name.upper())
        if name in files.rules:
            tasks = [task.name for task in files.rules[name].tasks]
            for task_name in qc.tasks:
                if task_name not in tasks:
                    yield _unknown(f"qc/{name}.yaml, field tasks", task_name, "task of the rules", tasks)


def _second_steps(name: str, release: Release, files: Files) -> Iterator[ConfigError]:
    """Check what a release says of steps that combine ABs: the release they come from, the tasks divided."""
    made_of = release.ab_source.made_of
    if made_of is not None:
        place, maker = f"releases/{name}.yaml, field ab_source.made_of", files.releases.get(made_of)
        if maker is None:
            yield _unknown(place, made_of, "release", files.releases)
        elif maker.instrument != release.instrument or maker.ab_source.made_of is not None:
            yield ConfigError(
                place,
                f"found {made_of!r}, a release of {maker.instrument} in mode {maker.mode}",
                f"a release of {release.instrument} whose ABs are made by night",
                "name the release that makes the cubes of single exposures",
            )
    for number, told in enumerate(release.announces_to):
        deep = files.releases.get(told)
        if deep is None or deep.ab_source.made_of != name:
            place = f"releases/{name}.yaml, field announces_to.{number}"
            known = [other.release for other in files.releases.values() if other.ab_source.made_of == name]
            yield _unknown(place, told, f"release made of {name}", known)
    rules = files.rules.get(release.instrument.lower())
    if release.regrouping is not None and rules is not None:
        known = [task.name for task in rules.tasks if task.inputs]
        for number, task in enumerate(release.regrouping.tasks):
            if task not in known:
                place = f"releases/{name}.yaml, field regrouping.tasks.{number}"
                yield _unknown(place, task, "second step of the rules", known)


def _hosts(site: Site, files: Files) -> Iterator[ConfigError]:
    """Check that some host serves each stream, with the memory it asks for; one host alone serves all."""
    for name, release in files.releases.items():
        asked = release.host
        serving = [host.memory_gb for host in site.hosts.values() if host.queue == asked.queue]
        if not serving:
            queues = {host.queue for host in site.hosts.values()}
            yield _unknown(f"releases/{name}.yaml, field host.queue", asked.queue, "queue of a host", queues)
        elif asked.memory_gb is not None and min(serving) < asked.memory_gb:
            yield ConfigError(
                f"releases/{name}.yaml, field host.memory_gb",
                f"asks for {asked.memory_gb:g} GB; a host of queue {asked.queue} has {min(serving):g} GB",
                "hosts that hold its largest AB, for it may come to any of the queue",
                "choose another queue, or give that host another one",
            )


def _named(file: str, field: str, found: str, expected: str) -> Iterator[ConfigError]:
    if found != expected:
        yield ConfigError(
            f"{file}, field {field}",
            f"found {found!r}",
            f"{expected!r}, as the file is called",
            "mend the field or rename the file",
        )


def _unknown(place: str, found: str, what: str, known: Iterable[str]) -> ConfigError:
    names = sorted(known)
    near = difflib.get_close_matches(found, names, n=1)
    remedy = f"did you mean {near[0]}?" if near else "add it, or mend its spelling"
    return ConfigError(place, f"found {found!r}", f"a known {what}: {', '.join(names)}", remedy)
