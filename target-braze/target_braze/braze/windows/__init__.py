"""Rate-limit windows: who counts the requests of each, this program or a broker. Knows no waiting."""
