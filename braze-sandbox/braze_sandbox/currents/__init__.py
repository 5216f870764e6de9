"""Event files in Currents' format, and the command that writes them."""
