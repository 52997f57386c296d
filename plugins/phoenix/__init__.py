"""PHOENIX on Airflow: from raw frames to archive-ready science products."""

__version__ = "0.1.0"
