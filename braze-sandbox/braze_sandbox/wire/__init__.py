"""JSON and responses as sent over the wire; nothing about Braze's rules."""
