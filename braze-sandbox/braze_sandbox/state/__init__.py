"""A running sandbox: its options and the state shared by requests."""
