"""Airflow DAG of GIRAFFE: MEDUSA spectra of single exposures, up to 2018-02; runs are backfills."""

from phoenix.orchestration.dag_factory import instrument_dag

dag = instrument_dag("GIRAFFE", "GIRAF_R")
