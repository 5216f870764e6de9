"""The contents of a workspace: objects, users, and calendar; nothing about requests."""
