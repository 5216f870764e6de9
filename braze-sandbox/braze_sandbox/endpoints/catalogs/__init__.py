"""Endpoints of catalogs, their fields and their items."""
