"""Airflow DAG of MUSE: integral field spectroscopy, from exposures to cubes combined per OB."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("MUSE")
