"""Keys and passwords: made once for an installation, kept in files only their owner can read."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from phoenix.deployment.installation import private_folder


def random_key() -> str:
    """Return 32 random bytes as URL-safe base64: a Fernet key, and as good for signing tokens."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def random_password() -> str:
    """Return a password a person can type."""
    return secrets.token_urlsafe(12)


def keep_secret(path: Path, value: str) -> str:
    """Return the secret in a file; when there is none yet, `value` becomes it."""
    private_folder(path.parent)
    if not path.exists():
        write_private(path, value)
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all; at no time can others read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
