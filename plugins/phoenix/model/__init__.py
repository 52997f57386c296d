"""Frozen values of the domain: frames, ABs, batches, outcomes, products, scores. No I/O."""
