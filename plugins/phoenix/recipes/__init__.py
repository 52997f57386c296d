"""Open recipes of our own with the esorex contract."""

#: Version of the recipes, in every product as ``phoenix/<version>``: it changes when their results do.
VERSION = "1.0.0"
