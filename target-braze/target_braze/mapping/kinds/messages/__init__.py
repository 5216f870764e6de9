"""Kinds that send messages to people, or schedule them, one module per value of `to:`."""
