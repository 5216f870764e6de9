"""Subcommands of `target-braze`: preview, check the key, keep the ledger, erase a person, settle messages."""
