"""Campaigns, Canvases, cards, templates and their messages; users and exports are in `users`."""
