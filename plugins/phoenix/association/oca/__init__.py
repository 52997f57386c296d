"""ESO's OCA rule files: read, evaluated on headers, and held against our own rules.

OCA stands for organisation, classification, association. `source` and `tokens` read the text, `parser`
makes the `tree`, `evaluate` asks it about headers, `compare` says how our YAML differs.
"""
