"""Airflow DAG of XSHOOTER: slit spectra of three arms, from raw frames to ingested IDPs."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("XSHOOTER")
