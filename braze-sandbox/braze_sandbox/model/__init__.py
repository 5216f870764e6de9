"""What a workspace holds: its objects, its users and its calendar; nothing about requests."""
