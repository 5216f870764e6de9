"""Requests that send messages to people, the hours in which they may leave, and how to cancel them."""
