"""Campaigns, Canvases, cards, templates and what belongs to their messages; users and exports are in `users`."""
