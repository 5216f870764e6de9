"""Converters from values of the source to values that Braze takes; nothing of streams or requests."""
