"""Endpoints for suppressed email addresses and phone numbers."""
