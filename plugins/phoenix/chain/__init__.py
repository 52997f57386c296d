"""The chain of a batch, step by step: what both the command line and the DAGs call."""
