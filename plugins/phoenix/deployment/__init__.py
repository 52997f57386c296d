"""A whole PHOENIX on one machine: engine, images, database and Airflow components."""
