"""The schema of the settings, and their validation before the first record."""
