"""Currents: the files of events that Braze writes into a bucket, from their listing to the lines of their records."""
