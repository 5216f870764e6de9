"""Many requests at a time, their answers in order; windows of days and gaps in them; nothing of streams."""
