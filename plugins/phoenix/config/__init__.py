"""Typed configuration: the schema of include/config and a loader whose errors name file and field."""
