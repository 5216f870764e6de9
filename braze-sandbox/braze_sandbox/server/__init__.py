"""Request handling: from the socket to an endpoint and back, and the pages under /sandbox."""
