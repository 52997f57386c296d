"""The MUSE simulator: pixel tables of small fields, and the raw chain of one unit."""
