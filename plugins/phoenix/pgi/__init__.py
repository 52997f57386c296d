"""Plug-ins that edit an AB before processing, and the ledger that keeps them from being applied twice."""
