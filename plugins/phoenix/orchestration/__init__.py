"""The only package that imports airflow: DAG factory, task groups, operators, notification."""
