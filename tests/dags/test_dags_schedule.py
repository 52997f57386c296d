"""Each stream runs by night or by month, by configuration alone; its batch keys are those of our tables."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.config.loader import PROJECT, Configuration
from phoenix.model.batch import BatchKey, BatchKind

CONFIG = PROJECT / "include" / "config"
RELEASES = {name: Configuration(CONFIG).release(name) for name in Configuration(CONFIG).names("releases")}
SCHEDULED = sorted(name for name, release in RELEASES.items() if release.schedule is not None)
CRON = {"night": "0 18 * * *", "month": "0 6 3 * *"}
#: Ticks of two years, and the batches they process.
PROGRAM = """
import json, sys
from datetime import UTC, datetime
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from phoenix.config.loader import Configuration
from phoenix.orchestration.schedule import timetable
first, last = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 12, 31, 23, tzinfo=UTC)
found = {}
for name in sys.argv[1:]:
    of_scheduler = decode_timetable(encode_timetable(timetable(Configuration().release(name))))
    infos = of_scheduler.iter_partition_dagrun_infos(earliest=first, latest=last)
    found[name] = [info.partition_key for info in infos]
print(json.dumps(found))
"""


def keys_of_all(config: Path, home: Path) -> dict[str, list[str]]:
    """Batch keys of two years, by release."""
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(PROJECT / "plugins"),
        "PHOENIX_CONFIG": str(config),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *SCHEDULED],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("kind", "count"), [("night", 731), ("month", 24)])
def test_every_stream_runs_by_night_or_by_month(tmp_path: Path, kind: str, count: int) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    for name in SCHEDULED:
        file = config / "releases" / f"{name}.yaml"
        text = re.sub(r"^batch: \w+", f"batch: {kind}", file.read_text(), flags=re.MULTILINE)
        file.write_text(re.sub(r'cron: ".*?"', f'cron: "{CRON[kind]}"', text))
    found = keys_of_all(config, tmp_path)
    assert sorted(found) == SCHEDULED
    for keys in found.values():
        assert len(set(keys)) == len(keys) == count
        assert {BatchKey(BatchKind(kind), key).text for key in keys} == set(keys)
