"""Segments and users: profiles out of exports, subscriptions and suppressed addresses."""
