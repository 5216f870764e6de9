"""Singer tap for Braze: campaigns, Canvases, statistics, profiles and Currents events."""
