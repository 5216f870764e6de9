"""Base classes of the kinds, and the settings that several kinds share. Settings of one kind are in its module."""
