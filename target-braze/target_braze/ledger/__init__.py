"""Ledger of what Braze has accepted, in an SQLite file, with its verification; sends Braze only read requests."""
