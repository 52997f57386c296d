"""Simulated KMOS: a near-infrared spectrograph with 24 arms that pick objects out of a field."""
