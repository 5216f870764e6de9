"""Building blocks of endpoints: the call they receive, and how they read its query, body, and pages."""
