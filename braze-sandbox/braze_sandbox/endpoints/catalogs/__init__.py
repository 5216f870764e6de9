"""Endpoints for catalogs, their fields, and their items."""
