"""UVES: what its YAML cannot say."""
