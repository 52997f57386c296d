"""Conversion of products to IDPs in ESO's SDP format, their ancillary files, and our Phase 3 checks."""
