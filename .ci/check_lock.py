"""Checks, without a network, that requirements.lock belongs to pyproject.toml and can be trusted.

Every requirement of the package and of the dev group is pinned to a version it allows, every pin has hashes,
and no index or host is named.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)")


def findings(project: str, lock: str) -> list[str]:
    """Return what is wrong with a lock file's text, given that of ``pyproject.toml``."""
    declared = tomllib.loads(project)
    wanted = [
        Requirement(text)
        for text in (*declared["project"]["dependencies"], *declared["dependency-groups"]["dev"])
    ]
    pins: dict[str, set[str]] = {}
    found: list[str] = []
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", lock))
    for entry in entries[1:]:
        if not (match := PIN.match(entry)):
            found.append(f"not a pinned version: {entry.splitlines()[0]}")
            continue
        pins.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
        if "--hash=sha256:" not in entry:
            found.append(f"{match['name']} has no hash")
    for requirement in wanted:
        versions = pins.get(canonicalize_name(requirement.name), set())
        if not versions:
            found.append(f"{requirement} is not locked")
        found += [
            f"{requirement} is locked to {version}"
            for version in sorted(versions)
            if not requirement.specifier.contains(version, prereleases=True)
        ]
    if re.search(r"://|(?m:^\s*--(?!hash))", lock):
        found.append("an index, a host or an option is named")
    return found


def main() -> int:
    """Print the findings; return 1 if there are any."""
    found = findings((PROJECT / "pyproject.toml").read_text(), (PROJECT / "requirements.lock").read_text())
    for line in found:
        print(f"requirements.lock: {line}")
    if found:
        print("  -> make lock")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
