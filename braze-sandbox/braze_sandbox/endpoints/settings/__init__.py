"""Endpoints that read the settings of a workspace: integrations and SDK keys."""
