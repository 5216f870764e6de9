"""Endpoints for campaigns, Canvases, and their messages."""
