"""Exports of user profiles: start, download or find in a bucket, unpack and decode. No streams here."""
