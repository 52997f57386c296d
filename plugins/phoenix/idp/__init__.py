"""Conversion to ESO's Science Data Product format, and the checks every IDP must pass."""
