"""A pipeline image whose esorex is a shell script: the contract of the real one, as slow as we like."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker

from builders_execution import NIGHT, bias_ab, bias_frame, store_ab, write_fits
from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock
from phoenix.store.database import Database

IMAGE = "phoenix-test-pretended-recipe"
#: Steps a second of the recipe.
STEPS_PER_S = 5
#: A file of this name in the output folder ends the recipe before its last step.
ENOUGH = "enough"

_ESOREX = """\
#!/bin/sh
steps=0
for argument in "$@"; do
  case "$argument" in
    --create-config=*)
      echo '[{"display_name": "steps", "valtype": "int"}]' > "${argument#*=}"
      exit 0 ;;
    --man-page)
      echo "  $2 -- version 1.0.0"
      exit 0 ;;
    --steps=*) steps=${argument#*=} ;;
  esac
done
echo "[ INFO  ] uves_cal_mbias: begun"
step=0
while [ "$step" -lt "$steps" ] && ! [ -e enough ]; do
  sleep 0.2
  step=$((step + 1))
  echo "[ INFO  ] uves_cal_mbias: step $step"
done
cp /masterbias_blue.fits .
echo '[{"name": "masterbias_blue.fits", "category": "MASTER_BIAS_BLUE"}]' > products.json
echo "12:00:00 [ INFO  ] done" > esorex.log
echo "[ INFO  ] uves_cal_mbias: done"
"""
_DOCKERFILE = "FROM {base}\nCOPY esorex /usr/local/bin/esorex\nCOPY masterbias_blue.fits /\n"


def build_pretended_recipe(folder: Path) -> str:
    """Build the image upon the UVES pipeline's and return its name."""
    product = write_fits(
        folder / "masterbias_blue.fits",
        {"PRO.CATG": "MASTER_BIAS_BLUE", "PRO.REC1.RAW1.CATG": "BIAS_BLUE"},
    )
    base = Configuration().instrument("UVES").pipeline.image
    files = {
        "Dockerfile": _DOCKERFILE.format(base=base).encode(),
        "esorex": _ESOREX.encode(),
        "masterbias_blue.fits": product.read_bytes(),
    }
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    client = docker.from_env()
    try:
        client.images.build(
            fileobj=io.BytesIO(context.getvalue()), custom_context=True, tag=IMAGE, rm=True, forcerm=True
        )
    finally:
        client.close()
    return IMAGE


def slow_ab(database: Database, configuration: Configuration, name: str, steps: int) -> AssociationBlock:
    """Store a bias AB whose recipe takes so many steps."""
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    ab = replace(bias_ab(raws), name=name, parameters=(("steps", str(steps)),))
    store_ab(database, configuration, ab)
    return ab


def slow_abs(
    database: Database, configuration: Configuration, count: int, steps: int
) -> list[AssociationBlock]:
    """Store so many of them, one a second."""
    first = datetime(2019, 3, 4, tzinfo=UTC)
    times = [first + n * timedelta(seconds=1) for n in range(count)]
    names = [f"UVES.{time:%Y-%m-%dT%H:%M:%S}.000_tpl.ab" for time in times]
    return [slow_ab(database, configuration, name, steps) for name in names]


def expected_log(steps: int) -> list[str]:
    """What the recipe prints when nothing disturbs it."""
    words = ["begun", *(f"step {n}" for n in range(1, steps + 1)), "done"]
    return [f"[ INFO  ] uves_cal_mbias: {word}" for word in words]
