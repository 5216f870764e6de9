"""The base classes of streams, named by how they page; which streams exist is in the parent folder."""
