"""Simulator of GIRAFFE behind FLAMES: MEDUSA fibres."""
