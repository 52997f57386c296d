"""The command line: ``phoenix <noun> <verb>``, the same steps without Airflow."""
