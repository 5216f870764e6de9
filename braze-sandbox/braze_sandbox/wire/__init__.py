"""JSON and answers as they go over the wire; nothing about Braze's rules."""
