"""Endpoints of subscription groups and preference centers."""
