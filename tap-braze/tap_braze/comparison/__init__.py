"""Compare the rows of this sync with those of earlier ones: tombstones, history, change feeds. Knows no streams."""
