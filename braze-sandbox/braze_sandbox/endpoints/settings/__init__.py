"""Endpoints for workspace settings: integrations, SDK keys, push credentials, media, and dashboard users."""
