"""Convert source values to values that Braze accepts. No streams and no requests here."""
