"""Demo data, the same every time."""
