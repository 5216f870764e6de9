"""Currents: the event files that Braze writes to a bucket, from listing them to encoding their records as lines."""
