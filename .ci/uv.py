"""Runs ``uv pip`` with the package index this machine has configured for pip.

uv does not read pip's configuration; on a machine whose only index is named there it would find nothing.
Settings made for uv itself go first: when there are any, pip's are left alone.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

#: pip's option -> uv's option; an option of pip may hold several values, apart by white space.
OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
UV_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_NO_INDEX",
    "UV_CONFIG_FILE",
)


def uv_is_configured() -> bool:
    """Tell whether somebody has chosen an index for uv itself."""
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = (Path("/etc/uv/uv.toml"), config_home / "uv" / "uv.toml")
    return any(os.environ.get(name) for name in UV_VARIABLES) or any(file.exists() for file in files)


def pip_settings() -> dict[str, str]:
    """Return pip's effective settings for an installation; the environment wins, as in pip."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                settings[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return settings


def translate(settings: dict[str, str]) -> list[str]:
    """Return the options of uv that say the same as pip's settings."""
    options = [
        word
        for name, option in OPTIONS.items()
        for value in settings.get(name, "").split()
        for word in (option, value)
    ]
    if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        options.append("--no-index")
    # pip takes the best match of all indexes; every file is checked against the hashes of the lock anyway.
    return [*options, "--index-strategy", "unsafe-best-match"]


def main() -> int:
    """Run uv pip with the given arguments; return its exit code."""
    environment = dict(os.environ)
    options: list[str] = []
    if not uv_is_configured():
        settings = pip_settings()
        options = translate(settings)
        if "cert" in settings:
            environment.setdefault("SSL_CERT_FILE", settings["cert"])
        if "proxy" in settings:
            environment.setdefault("ALL_PROXY", settings["proxy"])
    uv = Path(sys.executable).parent / "uv"
    return subprocess.run([uv, "pip", *sys.argv[1:], *options], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
