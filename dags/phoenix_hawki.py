"""Airflow DAG of HAWK-I: near-infrared images, from raw frames to tiles ingested as IDPs."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("HAWKI")
