"""The schema of the settings and what the streams read from them; no requests."""
