"""Send many requests at a time and return their responses in order; windows of days and gaps in them. No streams."""
