"""Endpoints that read campaigns, Canvases and what they send."""
