"""Exports of user profiles: started, downloaded or found in a bucket, unpacked and decoded; nothing of streams."""
