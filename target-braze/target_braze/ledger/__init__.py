"""What Braze has accepted, in an SQLite file, and the commands for it; sends nothing but reads to verify."""
