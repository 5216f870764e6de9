"""Braze's endpoints, one folder per family of its documentation."""
