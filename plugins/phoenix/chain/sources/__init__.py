"""Where the ABs of a batch come from: the rules, stored trees, or calSelector's association files."""
