"""What Braze is: client, rate limits, endpoints, payload limits, catalogs and data points; nothing of records."""
