"""Convert source values to values that Braze accepts. This package knows no streams and no requests."""
