"""The settings, one module per subject, their checks, and the typed form that streams read; no requests."""
