"""Ingestion queue, local archive, receipts."""
