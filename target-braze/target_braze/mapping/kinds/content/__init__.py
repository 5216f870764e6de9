"""Kinds that write content of the workspace, such as templates: one module per value of `to:`; nothing about users."""
