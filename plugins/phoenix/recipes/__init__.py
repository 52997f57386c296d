"""Open recipes of our own with the esorex contract."""
