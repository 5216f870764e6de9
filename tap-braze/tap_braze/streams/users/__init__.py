"""Segments and users: profiles from exports, subscriptions and suppressed addresses."""
