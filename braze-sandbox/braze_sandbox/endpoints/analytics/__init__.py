"""Endpoints for figures and definitions: series, KPIs, events, segments."""
