"""Commands for a deployed system: upload, backfill, redrive and the smoke test."""
