"""Airflow DAG of GIRAFFE: MEDUSA spectra stacked by OB, from raw frames to ingested IDPs."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("GIRAFFE", "GIRAF_STACK")
