"""Endpoints that send: immediately, by trigger, or on a schedule. Nothing leaves the sandbox."""
