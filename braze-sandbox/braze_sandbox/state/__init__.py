"""A running sandbox: its options and the state that requests share."""
