"""Writes ``docs/dags.md`` from the DAGs themselves: ``python -m phoenix.orchestration.documentation``."""

from __future__ import annotations

import runpy
from collections.abc import Iterator

from airflow.sdk import DAG

from phoenix.config.loader import PROJECT

PAGE = PROJECT / "docs" / "dags.md"
_HEAD = """# The DAGs

Made from the files in `dags/` by `make docs`; a test fails when they differ. Change the DAGs or the
configuration, not this page.
"""


def page() -> str:
    """Return the page of all DAGs, in the order of their files."""
    dags = [runpy.run_path(str(file))["dag"] for file in sorted((PROJECT / "dags").glob("*.py"))]
    overview = ["| DAG | what | schedule (UTC) |", "|---|---|---|"]
    overview += [
        f"| [`{dag.dag_id}`](#{dag.dag_id}) | {dag.description} | {_schedule(dag)} |" for dag in dags
    ]
    return "\n".join([_HEAD, *overview, *(line for dag in dags for line in _dag(dag))]) + "\n"


def _schedule(dag: DAG) -> str:
    if dag.schedule is None:
        return "by hand or backfill"
    # A timetable tells its cron expression; assets and their partitions tell their names.
    cron = getattr(dag.schedule, "expression", None) or getattr(dag.schedule, "_expression", None)
    return f"`{cron}`" if cron else f"`{dag.schedule}`" if isinstance(dag.schedule, str) else "when announced"


def _dag(dag: DAG) -> Iterator[str]:
    yield ""
    yield f"## {dag.dag_id}"
    # Headings of the DAG's own page go below the name of the DAG.
    yield from (
        f"##{line}" if line.startswith("#") else line for line in (dag.doc_md or "").rstrip().splitlines()
    )
    yield ""
    yield "| task | mapped | pool |"
    yield "|---|---|---|"
    for task in dag.topological_sort():  # type: ignore[no-untyped-call]
        mapped = "one instance each" if task.is_mapped else ""
        yield f"| `{task.task_id}` | {mapped} | {task.pool} |"


if __name__ == "__main__":
    from phoenix.store.files import write_atomically

    write_atomically(PAGE, page())
