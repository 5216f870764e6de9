"""Braze's endpoints, one folder per family in its documentation."""
