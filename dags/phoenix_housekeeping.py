"""Airflow DAG of the housekeeping: disk watch, orphan containers, leftovers, fixity."""

from phoenix.orchestration.housekeeping import housekeeping_dag

dag = housekeeping_dag()
