"""KMOS: converter of combined cubes, QC measurements and score bits. Never held against real products."""
