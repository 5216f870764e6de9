"""Endpoints that read figures and definitions: series, KPIs, events, segments."""
