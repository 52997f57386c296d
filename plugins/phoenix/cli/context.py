"""What every command needs: the configuration and the database, made once per call."""

from __future__ import annotations

from functools import cache

from phoenix.config.loader import Configuration
from phoenix.store.database import Database


@cache
def get_configuration() -> Configuration:
    """Return the configuration named by ``PHOENIX_CONFIG`` and ``PHOENIX_ROOT``, else the project's own."""
    return Configuration()


@cache
def get_database() -> Database:
    """Return the site's database."""
    from phoenix.chain.connect import connect

    return connect(get_configuration())
