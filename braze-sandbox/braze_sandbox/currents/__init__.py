"""Event files as Currents writes them, and the command that writes them."""
