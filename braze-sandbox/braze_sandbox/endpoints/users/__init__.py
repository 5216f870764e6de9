"""Endpoints that write users: tracking, aliases, merges, deletions, and external IDs."""
