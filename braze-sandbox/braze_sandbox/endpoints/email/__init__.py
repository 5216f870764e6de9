"""Endpoints of addresses and numbers that get nothing more."""
