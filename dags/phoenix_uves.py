"""Airflow DAG of UVES: echelle spectra, from raw frames to ingested IDPs."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("UVES")
