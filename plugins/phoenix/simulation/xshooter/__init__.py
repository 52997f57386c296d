"""XSHOOTER: echelle frames of slit mode, with the tables the pipeline's polynomial mode starts from."""
