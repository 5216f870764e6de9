"""What Braze accepts, changes, or drops in user data; nothing about requests."""
