"""Honest raw-frame simulators with a truth file, for the demo and the tests."""
