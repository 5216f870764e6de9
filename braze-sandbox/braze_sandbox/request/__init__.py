"""What endpoints are made of: the call they get, and how they read its query, body and pages."""
