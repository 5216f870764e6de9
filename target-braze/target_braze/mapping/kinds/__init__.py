"""One module for each value of `to:`; what kinds share is in `base` and `actions`."""
