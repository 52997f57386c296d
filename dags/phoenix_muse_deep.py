"""Airflow DAG of MUSE_DEEP: one cube per target over all its OBs, run by run."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("MUSE", "MUSE_DEEP")
