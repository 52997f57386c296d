"""JSON schemas of the YAML files, for editors and people; they are made from the models, never by hand."""

from __future__ import annotations

import json
from pathlib import Path

from phoenix.config.base import Strict
from phoenix.config.instrument import Instrument
from phoenix.config.qc import Qc
from phoenix.config.release import Release
from phoenix.config.rules import Rules
from phoenix.config.site import Site

#: Name of the schema -> model of the files it describes.
MODELS: dict[str, type[Strict]] = {
    "instrument": Instrument,
    "qc": Qc,
    "release": Release,
    "rules": Rules,
    "site": Site,
}


def schema_text(name: str) -> str:
    """Return a schema as it is written: one model gives one text, byte by byte."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **MODELS[name].model_json_schema(by_alias=True, mode="validation"),
    }
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into a folder and return the files.

    Those of the project are brought up to date by
    ``python -c "from phoenix.config.json_schema import *; write_schemas(Path('include/config/schema'))"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in MODELS:
        path = folder / f"{name}.json"
        path.write_text(schema_text(name), encoding="utf-8")
        files.append(path)
    return files
