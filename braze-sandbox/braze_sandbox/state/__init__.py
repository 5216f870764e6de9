"""A running sandbox: its options, and whatever requests share; no endpoint knows another way to it."""
