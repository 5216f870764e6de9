"""Kinds about who a user is: aliases, external IDs, merges and deletions, one module per value of `to:`."""
