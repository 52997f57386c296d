"""Our Phase 3 checks: rules with stable ids, after ESO's list of implemented checks of 2025-03-27."""
