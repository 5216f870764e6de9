"""Endpoints for subscription groups and preference centers."""
