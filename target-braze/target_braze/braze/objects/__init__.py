"""What a workspace holds besides users: read it, create what a stream needs, and tell what differs."""
