"""What the YAML of an instrument cannot say: PGIs, converters and QC measurements, registered by name."""
