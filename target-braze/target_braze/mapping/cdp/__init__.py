"""Calls of customer-data platforms: layouts, users, traits, orders and event names."""
