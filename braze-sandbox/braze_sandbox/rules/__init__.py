"""What Braze accepts, changes or drops in the data of users; nothing about requests."""
