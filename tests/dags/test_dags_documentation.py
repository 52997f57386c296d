"""The page of the DAGs says what the DAGs are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_the_page_is_made_from_the_dags(tmp_path: Path) -> None:
    program = "from phoenix.orchestration.documentation import page; print(page(), end='')"
    made = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PHOENIX_")},
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(PROJECT / "plugins"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    page = made.stdout[made.stdout.index("# The DAGs") :]
    assert page == (PROJECT / "docs" / "dags.md").read_text(encoding="utf-8"), "run `make docs`"
