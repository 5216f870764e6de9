"""Base classes of the kinds and the settings that several kinds share; a kind's own stand in its module."""
