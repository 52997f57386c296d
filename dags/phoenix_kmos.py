"""Airflow DAG of KMOS: near-infrared cubes of objects in a field, combined per observation block."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("KMOS")
