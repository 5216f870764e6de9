"""The settings' schema, and their validation before the first record."""
