"""HAWK-I: images to IDPs, QC measurements and reports."""
