"""Fast header scan, ESO keyword access and classification of frames."""
