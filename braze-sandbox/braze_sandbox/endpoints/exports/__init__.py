"""Endpoints that export users, by id or by segment."""
