"""GIRAFFE: PROC_MODE, QC of exposures and stacks, and IDPs of single fibres and of their stacks."""
