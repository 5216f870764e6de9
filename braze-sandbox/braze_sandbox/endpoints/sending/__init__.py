"""Endpoints that send: at once, by trigger, on a schedule. Nothing leaves the sandbox."""
