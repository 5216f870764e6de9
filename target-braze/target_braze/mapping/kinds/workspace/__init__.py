"""Kinds about the workspace: catalogs, content and integrations, one module per value of `to:`; nothing about users."""
