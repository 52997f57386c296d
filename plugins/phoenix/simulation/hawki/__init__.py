"""Simulated HAWK-I: a wide-field near-infrared imager with four detectors."""
