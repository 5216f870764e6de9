"""Outcome log of runs with many tasks: what attempts have sent, in a folder or bucket that they share; no ledger."""
