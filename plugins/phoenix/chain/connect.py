"""Which database a site uses."""

from __future__ import annotations

import os

from phoenix.config.loader import Configuration
from phoenix.store.database import Database, open_database


def connect(configuration: Configuration) -> Database:
    """Return the site's database with its schema up to date.

    ``PHOENIX_DATABASE_URL`` comes first, then the URL in ``phoenix.yaml``; with neither, the embedded
    PostgreSQL of the data root is used and, if need be, started.

    Raises
    ------
    InfrastructureError
        If the database does not answer or cannot be started.
    """
    url = os.environ.get("PHOENIX_DATABASE_URL") or configuration.site.database_url
    if not url:
        from phoenix.deployment.database import start_embedded

        url = start_embedded(configuration.root).phoenix_url
    database = open_database(url)
    database.migrate()
    return database
