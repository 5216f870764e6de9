"""Demo data, the same on every run."""
