"""MUSE: converter, QC measurements and reports."""
