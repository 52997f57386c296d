"""QC1 parameters, scores and report pictures."""
