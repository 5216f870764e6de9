"""Singer target for Braze: users, events and purchases from any source."""
